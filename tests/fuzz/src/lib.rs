//! What the targets draw from bytes: trades in every form, and every parameter of a builder.

use arbitrary::Arbitrary;
use rangebar_polars::core::features::statistic::{Statistic, Statistics};
use rangebar_polars::core::{
    BarBuilder, Bits, Breaks, Decimals, FootprintOptions, Length, Lookback, Numbers, RangeRule, Reset, Role, Sides,
    Tick, TimeUnit, Trades, WindowOptions,
};

/// One trade, told by how it differs from the one before.
#[derive(Debug, Clone, Copy, Arbitrary)]
pub enum Step {
    /// As trades are: a little later, some ticks away.
    Usual { later: u8, ticks: i8, quantity: u16, sold: Option<bool>, trades: u8 },
    /// Far away in time, within a calendar.
    Jump { later: u32, ticks: i16, sold: Option<bool> },
    /// Anything at all.
    Wild { time: i64, price: f64, quantity: f64, sold: Option<bool>, ids: (i64, i64, i64) },
}

/// The form in which prices, or quantities, come.
#[derive(Debug, Clone, Copy, Arbitrary)]
pub enum Form {
    F64,
    F32,
    I64,
    Decimal(u8),
}

/// A calendar period.
#[derive(Debug, Clone, Copy, Arbitrary)]
pub enum Period {
    Day,
    Week,
    Month,
    Year,
}

/// How far a window reaches back.
#[derive(Debug, Clone, Copy, Arbitrary)]
pub enum Reach {
    Trades(u8),
    Time { months: u8, nanoseconds: u64 },
    Bars(u8),
}

/// How far time may go on from one trade to the next.
#[derive(Debug, Clone, Copy, Arbitrary)]
pub enum MaxStep {
    Usual,
    Any,
    Length(u8, u64),
}

/// Parameters of a builder.
#[derive(Debug, Clone, Copy, Arbitrary)]
pub struct Parameters {
    thresholds: (u16, Option<u16>),
    gate: bool,
    price_decimals: u8,
    unit: u8,
    reset: Option<Period>,
    max_gap: Option<(u8, u64)>,
    max_step: MaxStep,
    intra: u32,
    lookback: Option<(Reach, u32)>,
    /// A raw tick, and whether the levels are kept.
    footprint: Option<(u64, bool)>,
}

/// Which columns there are.
#[derive(Debug, Clone, Copy, Arbitrary)]
pub struct Forms {
    price: Form,
    quantity: Option<Form>,
    side: bool,
    /// Whether a trade may have no side, where others have one.
    may_lack_side: bool,
    id: bool,
    individual: bool,
}

impl Parameters {
    /// Unit of the times.
    pub fn unit(&self) -> TimeUnit {
        [TimeUnit::Milliseconds, TimeUnit::Microseconds, TimeUnit::Nanoseconds][usize::from(self.unit % 3)]
    }

    /// A builder, of trades with these columns, that has seen nothing.
    pub fn builder(&self, forms: Forms) -> BarBuilder {
        let statistics = |word| statistics(word, forms.quantity.is_some());
        let rule = |dbps: u16| RangeRule::dbps(u32::from(dbps) + 1, self.gate).expect("a valid threshold");
        let (first, second) = self.thresholds;
        let rules: Vec<_> = std::iter::once(first).chain(second).map(rule).collect();
        let unit = self.unit();
        let length = |months: u8, nanoseconds: u64| Length::new(u32::from(months), i128::from(nanoseconds), unit);
        let reset = self.reset.map(|period| match period {
            Period::Day => Reset::Day,
            Period::Week => Reset::Week,
            Period::Month => Reset::Month,
            Period::Year => Reset::Year,
        });
        let breaks = Breaks { reset, max_gap: self.max_gap.map(|(months, nanoseconds)| length(months, nanoseconds)) };
        let lookback = self.lookback.map(|(reach, wanted)| {
            let reach = match reach {
                Reach::Trades(count) => Lookback::Trades(u64::from(count) + 1),
                Reach::Time { months, nanoseconds } => Lookback::Time(length(months, nanoseconds.max(1))),
                Reach::Bars(count) => Lookback::Bars(u64::from(count) + 1),
            };
            (reach, statistics(wanted))
        });
        let windows = WindowOptions::new(statistics(self.intra), lookback, forms.side);
        let price_decimals = Decimals::new(u32::from(self.price_decimals % 19)).expect("at most 18");
        let builder = BarBuilder::new(&rules, breaks, unit, windows).with_price_decimals(price_decimals);
        let footprint = self.footprint.and_then(|(raw, keeps_levels)| {
            let tick = i64::try_from(raw).ok().and_then(Tick::new)?;
            Some(FootprintOptions { tick, keeps_levels })
        });
        let builder = builder.with_missing_sides(forms.side && forms.may_lack_side).with_footprint(footprint);
        match self.max_step {
            MaxStep::Usual => builder,
            MaxStep::Any => builder.with_max_step(None),
            MaxStep::Length(months, nanoseconds) => builder.with_max_step(Some(length(months, nanoseconds))),
        }
    }
}

/// The statistics whose codes are bits of a word, as far as the columns give them.
fn statistics(word: u32, has_quantity: bool) -> Statistics {
    let wanted = Statistic::ALL.into_iter().filter(|statistic| word >> statistic.code() & 1 != 0);
    let wanted = Statistics::of(&wanted.collect::<Vec<_>>());
    if has_quantity { wanted } else { wanted.without(Statistics::reading(Role::Quantity)) }
}

/// Columns that own their rows.
#[derive(Debug)]
pub struct Columns {
    forms: Forms,
    time: Vec<i64>,
    price: Numbered,
    quantity: Numbered,
    side: Vec<u8>,
    known: Vec<u8>,
    id: Vec<i64>,
    first: Vec<i64>,
    last: Vec<i64>,
}

/// A column of numbers in its form.
#[derive(Debug)]
enum Numbered {
    F64(Vec<f64>),
    F32(Vec<f32>),
    I64(Vec<i64>),
    Decimal(Vec<i128>, u32),
}

impl Numbered {
    fn new(form: Form, values: Vec<f64>) -> Self {
        match form {
            Form::F64 => Self::F64(values),
            Form::F32 => Self::F32(values.into_iter().map(|x| x as f32).collect()),
            Form::I64 => Self::I64(values.into_iter().map(|x| x as i64).collect()),
            Form::Decimal(scale) => {
                let scale = u32::from(scale % 39);
                let mantissa = values.into_iter().map(|x| (x * 10_f64.powi(scale as i32)) as i128);
                Self::Decimal(mantissa.collect(), scale)
            }
        }
    }

    fn view(&self) -> Numbers<'_> {
        match self {
            Self::F64(values) => Numbers::F64(values),
            Self::F32(values) => Numbers::F32(values),
            Self::I64(values) => Numbers::I64(values),
            Self::Decimal(mantissa, scale) => Numbers::Decimal { mantissa, scale: *scale },
        }
    }
}

impl Columns {
    /// The trades of some steps, the unit of time being far smaller than a day.
    pub fn new(forms: Forms, steps: &[Step]) -> Self {
        let rows = steps.len();
        let (mut time, mut cents, mut id) = (1_700_000_000_000_i64, 10_000_i64, 7_i64);
        let (mut times, mut prices, mut quantities) = (vec![], vec![], vec![]);
        let (mut ids, mut firsts, mut lasts) = (vec![], vec![], vec![]);
        let (mut side, mut known) = (vec![0; rows.div_ceil(8)], vec![0; rows.div_ceil(8)]);
        for (row, &step) in steps.iter().enumerate() {
            id = id.saturating_add(1);
            let (mut price, mut quantity, mut first, mut last) = (None, 1.0, id, id);
            let is_sold = match step {
                Step::Usual { later, ticks, quantity: thousandths, sold, trades } => {
                    time = time.saturating_add(i64::from(later));
                    cents = (cents + i64::from(ticks)).max(1);
                    quantity = f64::from(thousandths) / 1000.0;
                    last = id.saturating_add(i64::from(trades) - 1);
                    sold
                }
                Step::Jump { later, ticks, sold } => {
                    time = time.saturating_add(i64::from(later) << 12);
                    cents = (cents + i64::from(ticks)).max(1);
                    sold
                }
                Step::Wild { time: at, price: any, quantity: much, sold, ids } => {
                    (time, price, quantity) = (at, Some(any), much);
                    (id, first, last) = ids;
                    sold
                }
            };
            times.push(time);
            prices.push(price.unwrap_or(cents as f64 / 100.0));
            quantities.push(quantity);
            side[row / 8] |= u8::from(is_sold == Some(true)) << (row % 8);
            known[row / 8] |= u8::from(is_sold.is_some()) << (row % 8);
            ids.push(id);
            firsts.push(first);
            lasts.push(last);
        }
        Self {
            forms,
            time: times,
            price: Numbered::new(forms.price, prices),
            quantity: Numbered::new(forms.quantity.unwrap_or(Form::F64), quantities),
            side,
            known,
            id: ids,
            first: firsts,
            last: lasts,
        }
    }

    /// The sides, some of which are not known if that may be.
    fn sides(&self) -> Option<Sides<'_>> {
        let sold = Bits::new(&self.side, 0, self.time.len())?;
        let known = Bits::new(&self.known, 0, self.time.len()).filter(|_| self.forms.may_lack_side);
        Some(known.map_or(sold.into(), |known| Sides::partly(sold, known)))
    }

    /// The trades.
    pub fn view(&self) -> Trades<'_> {
        Trades {
            time: &self.time,
            price: self.price.view(),
            quantity: self.forms.quantity.map(|_| self.quantity.view()),
            is_buyer_maker: self.sides().filter(|_| self.forms.side),
            agg_trade_id: self.forms.id.then_some(&self.id[..]),
            individual_ids: self.forms.individual.then_some((&self.first[..], &self.last[..])),
        }
    }
}
