//! `matmul`: the product of two matrices of N x N, divided in halves by joins down to small blocks.
//!
//! The product is kept block after block in the order of the division, so that each half is a slice of its own. All entries
//! are integers that doubles hold exactly.

use super::divide::{self, Divide, Solver, Work};
use super::{Answer, Job, Loaded, Request, Setup};
use crate::failure::Failure;

/// The side of the largest block that is not divided any more.
const BLOCK: usize = 32;

struct Matmul {
    factors: Factors,
}

/// The matrices i + j and i - j, row after row.
struct Factors {
    n: usize,
    left: Vec<f64>,
    right: Vec<f64>,
}

/// Fills in the factors.
pub(super) fn load(request: &Request) -> Result<Box<dyn Loaded>, Failure> {
    let n = usize::try_from(request.size)
        .map_err(|_| Failure::Usage(format!("--size {} is too large", request.size)))?;
    let filled = |entry: fn(f64, f64) -> f64| {
        (0..n * n)
            .map(|at| entry((at / n) as f64, (at % n) as f64))
            .collect()
    };
    let factors = Factors {
        n,
        left: filled(|i, j| i + j),
        right: filled(|i, j| i - j),
    };
    Ok(Box::new(Matmul { factors }))
}

impl Loaded for Matmul {
    fn size(&self) -> u64 {
        self.factors.n as u64
    }

    fn ops(&self) -> u64 {
        self.size().pow(3)
    }

    /// By the closed form of each entry: the sum over k of (i + k) (k - j).
    fn known_checksum(&self) -> Option<String> {
        let n = self.factors.n as i64;
        let (sum, squares) = (n * (n - 1) / 2, (n - 1) * n * (2 * n - 1) / 6);
        let digest = (0..n)
            .flat_map(|i| (0..n).map(move |j| (i, j)))
            .map(|(i, j)| weighed(i as usize, j as usize, squares + (i - j) * sum - n * i * j))
            .fold(0, u64::wrapping_add);
        Some(digest.to_string())
    }

    fn job(&self, setup: Setup) -> Result<Job<'_>, String> {
        divide::job(setup, self)
    }
}

impl Work for Matmul {
    type Answer = Product;

    fn run<S: Solver>(&self, solver: &mut S) -> Product {
        let n = self.factors.n;
        let mut entries = vec![0.0; n * n];
        let whole = Block::whole(n, &mut entries);
        solver.solve(Multiply(&self.factors), whole);
        Product { n, entries }
    }
}

struct Product {
    n: usize,
    entries: Vec<f64>,
}

impl Answer for Product {
    fn checksum(&self) -> String {
        let mut entries = self.entries.clone();
        digest(Block::whole(self.n, &mut entries)).to_string()
    }

    fn text(&self) -> String {
        format!("digest of the product = {}\n", self.checksum())
    }
}

/// A sum of these depends on the place of each entry.
fn weighed(row: usize, column: usize, entry: i64) -> u64 {
    let weight = ((row as u64) << 32 | column as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    weight.wrapping_mul(entry as u64)
}

fn digest(block: Block<'_>) -> u64 {
    match block.halves() {
        Ok((a, b)) => digest(a).wrapping_add(digest(b)),
        Err(leaf) => (0..leaf.entries.len())
            .map(|at| {
                let (i, j) = (at / leaf.columns, at % leaf.columns);
                weighed(leaf.row + i, leaf.column + j, leaf.entries[at] as i64)
            })
            .fold(0, u64::wrapping_add),
    }
}

/// A rectangle of the product.
struct Block<'a> {
    entries: &'a mut [f64],
    row: usize,
    column: usize,
    rows: usize,
    columns: usize,
}

impl<'a> Block<'a> {
    fn whole(n: usize, entries: &'a mut [f64]) -> Self {
        Block {
            entries,
            row: 0,
            column: 0,
            rows: n,
            columns: n,
        }
    }

    /// The halves, across the longer side; a small block comes back whole.
    fn halves(self) -> Result<(Self, Self), Self> {
        if self.rows.max(self.columns) <= BLOCK {
            return Err(self);
        }
        let (mut rows, mut columns) = (self.rows, self.columns);
        let (mut row, mut column) = (self.row, self.column);
        if rows >= columns {
            rows /= 2;
            row += rows;
        } else {
            columns /= 2;
            column += columns;
        }
        let (first, second) = self.entries.split_at_mut(rows * columns);
        let half = |entries: &'a mut [f64], row, column, rows, columns| Block {
            entries,
            row,
            column,
            rows,
            columns,
        };
        Ok((
            half(first, self.row, self.column, rows, columns),
            half(
                second,
                row,
                column,
                self.row + self.rows - row,
                self.column + self.columns - column,
            ),
        ))
    }
}

#[derive(Clone, Copy)]
struct Multiply<'a>(&'a Factors);

impl<'a> Divide for Multiply<'a> {
    type Part = Block<'a>;
    type Out = ();

    #[inline]
    fn solve<J>(self, block: Block<'a>, join: J)
    where
        J: FnOnce(Block<'a>, Block<'a>) -> ((), ()),
    {
        match block.halves() {
            Ok((a, b)) => {
                join(a, b);
            }
            Err(leaf) => self.0.multiply(leaf),
        }
    }
}

impl Factors {
    #[inline(never)]
    fn multiply(&self, block: Block<'_>) {
        let columns = block.column..block.column + block.columns;
        for (i, row) in block.entries.chunks_exact_mut(block.columns).enumerate() {
            let left = &self.left[(block.row + i) * self.n..][..self.n];
            for (a, right) in left.iter().zip(self.right.chunks_exact(self.n)) {
                for (entry, b) in row.iter_mut().zip(&right[columns.clone()]) {
                    *entry += a * b;
                }
            }
        }
    }
}
