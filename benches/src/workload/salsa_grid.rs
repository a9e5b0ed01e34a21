//! The grids on `salsa`.
//!
//! Used by `grid.rs`. Apart from it since salsa's macros make items of their own.

use super::grid::ways_to;

/// A database with the side of the grid.
#[salsa::db]
#[derive(Clone, Default)]
pub(super) struct Db {
    storage: salsa::Storage<Self>,
    side: u32,
    /// The ids of the cells, row after row; empty if they are not used.
    ids: std::sync::Arc<Vec<Id>>,
}

#[salsa::db]
trait Grids: salsa::Database {
    fn id(&self, i: u32, j: u32) -> Id;
}

#[salsa::db]
impl salsa::Database for Db {}

#[salsa::db]
impl Grids for Db {
    fn id(&self, i: u32, j: u32) -> Id {
        self.ids[(i * self.side + j) as usize]
    }
}

/// A cell with a ready-made id.
#[salsa::input]
struct Id {
    #[returns(copy)]
    i: u32,
    #[returns(copy)]
    j: u32,
}

#[salsa::tracked(returns(copy))]
fn cell_by_id(db: &dyn Grids, id: Id) -> u64 {
    ways_to(id.i(db), id.j(db), |i, j| cell_by_id(db, db.id(i, j)))
}

#[salsa::tracked(returns(copy))]
fn cell_by_pair(db: &dyn Grids, i: u32, j: u32) -> u64 {
    ways_to(i, j, |i, j| cell_by_pair(db, i, j))
}

impl Db {
    /// A database with the ids of all cells.
    pub(super) fn with_ids(side: u32) -> Self {
        let mut db = Db {
            side,
            ..Db::default()
        };
        let ids = (0..side).flat_map(|i| (0..side).map(move |j| (i, j)));
        db.ids = std::sync::Arc::new(ids.map(|(i, j)| Id::new(&db, i, j)).collect());
        db
    }
}

/// The ways to the last cell, asked by id.
pub(super) fn by_id(db: Db, side: u32) -> u64 {
    cell_by_id(&db, db.id(side - 1, side - 1))
}

/// The ways to the last cell, asked by row and column.
pub(super) fn by_pair(side: u32) -> u64 {
    cell_by_pair(&Db::default(), side - 1, side - 1)
}
