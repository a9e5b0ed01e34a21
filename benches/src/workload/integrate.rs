//! `integrate`: the integral of (x^2 + 1) x from 0 to N by adaptive quadrature, with a join wherever halving changes the area.
//!
//! All engines add the same areas in the same order; the answer need only be near the closed form.

use super::divide::{self, Divide, Solver, Work};
use super::{Answer, Job, Loaded, Request, Setup};
use crate::failure::Failure;

/// What halving may change at most where a part is not divided any more.
const STEP_ERROR: f64 = 1e-9;
/// What rounding may add to that in all, relative to the area.
const ROUNDING: f64 = 1e-13;

struct Integrate {
    end: u32,
    joins: u64,
}

/// Nothing to read; the joins are counted.
pub(super) fn load(request: &Request) -> Result<Box<dyn Loaded>, Failure> {
    let end = u32::try_from(request.size)
        .map_err(|_| Failure::Usage(format!("--size {} is too large", request.size)))?;
    let mut integrate = Integrate { end, joins: 0 };
    integrate.joins = divide::count_joins(&integrate);
    Ok(Box::new(integrate))
}

fn f(x: f64) -> f64 {
    (x * x + 1.0) * x
}

struct Area {
    end: u32,
    area: f64,
    closed_form: f64,
    /// How far from the closed form is still right.
    tolerance: f64,
}

impl Integrate {
    fn closed_form(&self) -> f64 {
        let square = f64::from(self.end) * f64::from(self.end);
        square * (square + 2.0) / 4.0
    }
}

impl Answer for Area {
    /// The closed form where the area is near it, else the area itself.
    fn checksum(&self) -> String {
        let exact = self.closed_form;
        if (self.area - exact).abs() <= self.tolerance {
            exact.to_string()
        } else {
            self.area.to_string()
        }
    }

    fn text(&self) -> String {
        format!("integral up to {} = {}\n", self.end, self.area)
    }
}

impl Loaded for Integrate {
    fn size(&self) -> u64 {
        self.end.into()
    }

    fn ops(&self) -> u64 {
        self.joins
    }

    fn known_checksum(&self) -> Option<String> {
        Some(self.closed_form().to_string())
    }

    fn job(&self, setup: Setup) -> Result<Job<'_>, String> {
        divide::job(setup, self)
    }
}

impl Work for Integrate {
    type Answer = Area;

    fn run<S: Solver>(&self, solver: &mut S) -> Area {
        let end = f64::from(self.end);
        let whole = Strip {
            from: (0.0, f(0.0)),
            to: (end, f(end)),
            area: (f(0.0) + f(end)) / 2.0 * end,
        };
        Area {
            end: self.end,
            area: solver.solve(Quadrature, whole),
            closed_form: self.closed_form(),
            tolerance: (self.joins + 1) as f64 * STEP_ERROR + self.closed_form() * ROUNDING,
        }
    }
}

#[derive(Clone, Copy)]
struct Quadrature;

/// What is under the curve between two of its points, and the area as a trapezium.
struct Strip {
    from: (f64, f64),
    to: (f64, f64),
    area: f64,
}

impl Divide for Quadrature {
    type Part = Strip;
    type Out = f64;

    #[inline]
    fn solve<J>(self, strip: Strip, join: J) -> f64
    where
        J: FnOnce(Strip, Strip) -> (f64, f64),
    {
        let Strip { from, to, area } = strip;
        let half = (to.0 - from.0) / 2.0;
        let x = from.0 + half;
        let middle = (x, f(x));
        let left = (from.1 + middle.1) / 2.0 * half;
        let right = (middle.1 + to.1) / 2.0 * half;
        if (left + right - area).abs() < STEP_ERROR {
            return left + right;
        }
        let (left, right) = join(
            Strip {
                from,
                to: middle,
                area: left,
            },
            Strip {
                from: middle,
                to,
                area: right,
            },
        );
        left + right
    }
}
