//! `nqueens`: the ways to place N queens on a board of N x N, with joins over the free columns of each row down to the last.

use super::divide::{self, Divide, Solver, Work};
use super::{Job, Loaded, Number, Request, Setup};
use crate::failure::Failure;

/// The number of ways for each N, from 1 on.
const WAYS: [u64; 15] = [
    1, 0, 0, 2, 10, 4, 40, 92, 352, 724, 2680, 14_200, 73_712, 365_596, 2_279_184,
];

struct Queens {
    n: u32,
    joins: u64,
}

/// Nothing to read; the joins are counted.
pub(super) fn load(request: &Request) -> Result<Box<dyn Loaded>, Failure> {
    let n = u32::try_from(request.size)
        .map_err(|_| Failure::Usage(format!("--size {} is too large", request.size)))?;
    let mut queens = Queens { n, joins: 0 };
    queens.joins = divide::count_joins(&queens);
    Ok(Box::new(queens))
}

impl Loaded for Queens {
    fn size(&self) -> u64 {
        self.n.into()
    }

    fn ops(&self) -> u64 {
        self.joins
    }

    fn known_checksum(&self) -> Option<String> {
        WAYS.get(self.n as usize - 1).map(u64::to_string)
    }

    fn job(&self, setup: Setup) -> Result<Job<'_>, String> {
        divide::job(setup, self)
    }
}

impl Work for Queens {
    type Answer = Number;

    fn run<S: Solver>(&self, solver: &mut S) -> Number {
        let all = (1 << self.n) - 1;
        let empty = Row {
            columns: 0,
            falling: 0,
            rising: 0,
            places: all,
        };
        Number {
            label: format!("ways to place {} queens", self.n),
            value: solver.solve(Board { all }, empty),
        }
    }
}

/// A board, by the bits of all of its columns.
#[derive(Clone, Copy)]
struct Board {
    all: u32,
}

/// The columns of one row that queens above threaten, and the places there that are still to be tried.
#[derive(Copy, Clone)]
struct Row {
    columns: u32,
    falling: u32,
    rising: u32,
    places: u32,
}

impl Divide for Board {
    type Part = Row;
    type Out = u64;

    #[inline]
    fn solve<J>(self, mut row: Row, join: J) -> u64
    where
        J: FnOnce(Row, Row) -> (u64, u64),
    {
        loop {
            let place = row.places & row.places.wrapping_neg();
            let others = row.places ^ place;
            if place == 0 {
                return 0;
            }
            if others != 0 {
                let (one, rest) = join(
                    Row {
                        places: place,
                        ..row
                    },
                    Row {
                        places: others,
                        ..row
                    },
                );
                return one + rest;
            }
            row.columns |= place;
            row.falling = (row.falling | place) << 1;
            row.rising = (row.rising | place) >> 1;
            row.places = self.all & !(row.columns | row.falling | row.rising);
            if row.columns == self.all {
                return 1;
            }
        }
    }
}
