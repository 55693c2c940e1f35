//! The rules that close bars, in the form that users write.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::error::FrameError;
use super::parameters::every;
use crate::core::{
    AdaptiveRule, Amount, AnyRule, CloseRule, CusumRule, Decimals, HighLowRule, ImbalanceRule, Measure, Move, Number,
    RangeRule, Role, TimeRule, TotalRule,
};

/// A rule and its parameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "rule", rename_all = "snake_case", deny_unknown_fields)]
pub enum RuleForm {
    /// Closes when the price has moved a distance away from the open: exactly one of the two is given.
    Range {
        /// A fraction of the open, in decimal basis points.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        dbps: Option<u32>,
        /// A difference of prices.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        points: Option<f64>,
    },
    /// Closes when high and low are a distance apart: exactly one of the two is given.
    HighLow {
        /// A fraction of the open, in decimal basis points.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        dbps: Option<u32>,
        /// A difference of prices.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        points: Option<f64>,
    },
    /// Closes when the price has turned a distance away from the low or the high.
    Cusum {
        /// The distance as a logarithm, in decimal basis points.
        dbps: u32,
    },
    /// Closes when the bar holds so many.
    Ticks {
        /// How many.
        n: u64,
        /// Of what.
        #[serde(default, skip_serializing_if = "is_default")]
        of: TicksOf,
    },
    /// Closes when the volume reaches a threshold.
    Volume {
        /// A sum of quantities.
        threshold: f64,
    },
    /// Closes when the turnover reaches a threshold.
    Turnover {
        /// A sum of prices times quantities.
        threshold: f64,
    },
    /// Closes when what was bought and what was sold differ by a threshold: a fixed one, or one by a target and a span.
    Imbalance {
        /// The threshold.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        threshold: Option<f64>,
        /// Rows of a block.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        target: Option<u64>,
        /// The span of the average over blocks.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        span: Option<u64>,
        /// Of what.
        #[serde(default, skip_serializing_if = "is_default")]
        of: FlowOf,
    },
    /// Closes when the larger of what was bought and what was sold reaches its average over blocks.
    Runs {
        /// Rows of a block.
        target: u64,
        /// The span of the average over blocks.
        span: u64,
        /// Of what.
        #[serde(default, skip_serializing_if = "is_default")]
        of: FlowOf,
    },
    /// Ends with windows of time.
    Time {
        /// Their length, as a Polars duration string.
        every: String,
    },
}

/// What a bar of ticks counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TicksOf {
    /// Rows of the input.
    #[default]
    Rows,
    /// Individual trades.
    Trades,
}

impl From<TicksOf> for Amount {
    fn from(of: TicksOf) -> Self {
        match of {
            TicksOf::Rows => Self::Rows,
            TicksOf::Trades => Self::Trades,
        }
    }
}

/// Whose sides a bar compares.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FlowOf {
    /// Rows of the input.
    #[default]
    Rows,
    /// Quantities.
    Volume,
    /// Prices times quantities.
    Turnover,
}

impl From<FlowOf> for Amount {
    fn from(of: FlowOf) -> Self {
        match of {
            FlowOf::Rows => Self::Rows,
            FlowOf::Volume => Self::Volume,
            FlowOf::Turnover => Self::Turnover,
        }
    }
}

/// The last parameter as a user writes it, unless it is left out.
impl fmt::Display for FlowOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rows => "",
            Self::Volume => ", of=\"volume\"",
            Self::Turnover => ", of=\"turnover\"",
        })
    }
}

/// A rule with a threshold that follows the market.
fn adaptive(
    name: &str,
    measure: Measure,
    of: FlowOf,
    (target, span): (u64, u64),
    decimals: Decimals,
) -> Result<AnyRule, FrameError> {
    if target == 0 || span == 0 {
        return Err(FrameError(format!(
            "`target` and `span` of {name} must be at least 1, got {target} and {span}: they count rows and blocks"
        )));
    }
    Ok(AdaptiveRule::new(measure, of.into(), target, span, decimals).into())
}

/// Whether a parameter may be left out.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// The distance that one of two parameters gives.
fn distance(name: &str, dbps: Option<u32>, points: Option<f64>, decimals: Decimals) -> Result<Move, FrameError> {
    match (dbps, points) {
        (Some(dbps), None) => Ok(Move::dbps(dbps)?),
        (None, Some(points)) => Ok(Move::points(Number::Float(points), decimals)?),
        _ => Err(FrameError(format!("`{name}` takes either `dbps` or `points`: {name}(250) or {name}(points=0.25)"))),
    }
}

/// The largest number up to which every integer is a double.
const COUNTABLE: f64 = 9_007_199_254_740_992.0;

/// A threshold of an amount, for prices of some decimals.
fn threshold(name: &str, amount: Amount, number: f64, decimals: Decimals) -> Result<i128, FrameError> {
    if matches!(amount, Amount::Rows | Amount::Trades) {
        let is_count = (1.0..=COUNTABLE).contains(&number) && number.fract() == 0.0;
        return if is_count {
            Ok(number as i128)
        } else {
            Err(FrameError(format!(
                "`threshold` of {name} must be an integer from 1 to 2^53 if it is of rows, got {}: it counts rows",
                Number::Float(number)
            )))
        };
    }
    if !(number >= Decimals::OF_QUANTITIES.double(1) && number.is_finite()) {
        return Err(FrameError(format!(
            "`threshold` of {name} must be at least 0.00000001, got {}: it is in units of {}",
            Number::Float(number),
            match amount {
                Amount::Turnover => "price times quantity",
                _ => "the quantity",
            }
        )));
    }
    amount.raw(Number::Float(number), decimals).ok_or_else(|| {
        FrameError(format!(
            "`threshold` of {name} must fit 128 bits with eight decimals of quantities and {} of prices, got {}: \
             use a larger unit",
            decimals.count(),
            Number::Float(number)
        ))
    })
}

impl RuleForm {
    /// The rule for prices of some decimals; with the gate, no trade at a bar's open time closes it.
    ///
    /// # Errors
    ///
    /// A parameter that no rule can have.
    pub fn rule(&self, decimals: Decimals, same_timestamp_gate: bool) -> Result<AnyRule, FrameError> {
        match self {
            Self::Range { dbps, points } => {
                Ok(RangeRule::new(distance("Range", *dbps, *points, decimals)?, same_timestamp_gate).into())
            }
            Self::HighLow { dbps, points } => {
                Ok(HighLowRule::new(distance("HighLow", *dbps, *points, decimals)?, same_timestamp_gate).into())
            }
            Self::Cusum { dbps } => Ok(CusumRule::dbps(*dbps, same_timestamp_gate)?.into()),
            Self::Ticks { n: 0, .. } => {
                Err(FrameError("`n` of Ticks must be at least 1, got 0: it says how many ticks a bar holds".to_owned()))
            }
            Self::Ticks { n, of } => Ok(TotalRule::new((*of).into(), i128::from(*n)).into()),
            Self::Volume { threshold: number } => {
                Ok(TotalRule::new(Amount::Volume, threshold("Volume", Amount::Volume, *number, decimals)?).into())
            }
            Self::Turnover { threshold: number } => {
                Ok(TotalRule::new(Amount::Turnover, threshold("Turnover", Amount::Turnover, *number, decimals)?).into())
            }
            Self::Imbalance { threshold: Some(number), target: None, span: None, of } => {
                let amount = (*of).into();
                Ok(ImbalanceRule::new(amount, threshold("Imbalance", amount, *number, decimals)?).into())
            }
            Self::Imbalance { threshold: None, target: Some(target), span: Some(span), of } => {
                adaptive("Imbalance", Measure::Imbalance, *of, (*target, *span), decimals)
            }
            Self::Imbalance { .. } => Err(FrameError(
                "`Imbalance` takes either a threshold or `target` and `span`: Imbalance(100) or \
                 Imbalance(target=1000, span=20)"
                    .to_owned(),
            )),
            Self::Runs { target, span, of } => adaptive("Runs", Measure::Run, *of, (*target, *span), decimals),
            Self::Time { every: length } => {
                let must = "`every` of Time must be a duration such as \"1h\", \"1d\", \"1w\" or \"1mo\"";
                Ok(TimeRule::new(every(must, length)?).into())
            }
        }
    }

    /// The same with its numbers rounded as they are taken, for prices of some decimals.
    ///
    /// # Errors
    ///
    /// As [`RuleForm::rule`].
    pub fn rounded(mut self, decimals: Decimals) -> Result<Self, FrameError> {
        self.rule(decimals, true)?;
        let round = |number: &mut f64, decimals: Decimals| {
            if let Some(raw) = Number::Float(*number).to_fixed(decimals) {
                *number = decimals.double(raw);
            }
        };
        match &mut self {
            Self::Range { points: Some(points), .. } | Self::HighLow { points: Some(points), .. } => {
                round(points, decimals);
            }
            Self::Volume { threshold }
            | Self::Turnover { threshold }
            | Self::Imbalance { threshold: Some(threshold), of: FlowOf::Volume | FlowOf::Turnover, .. } => {
                round(threshold, Decimals::OF_QUANTITIES)
            }
            _ => {}
        }
        Ok(self)
    }

    /// Whether windows of time end its bars.
    pub fn is_of_time(&self) -> bool {
        matches!(self, Self::Time { .. })
    }

    /// The threshold in decimal basis points, if the rule is the one of range bars.
    pub fn threshold_dbps(&self) -> Option<u32> {
        match self {
            Self::Range { dbps, .. } => *dbps,
            _ => None,
        }
    }
}

/// As a user writes it.
impl fmt::Display for RuleForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Range { dbps: Some(dbps), .. } => write!(f, "Range({dbps})"),
            Self::Range { points: Some(points), .. } => write!(f, "Range(points={points})"),
            Self::Range { .. } => f.write_str("Range()"),
            Self::HighLow { dbps: Some(dbps), .. } => write!(f, "HighLow({dbps})"),
            Self::HighLow { points: Some(points), .. } => write!(f, "HighLow(points={points})"),
            Self::HighLow { .. } => f.write_str("HighLow()"),
            Self::Cusum { dbps } => write!(f, "Cusum({dbps})"),
            Self::Ticks { n, of: TicksOf::Rows } => write!(f, "Ticks({n})"),
            Self::Ticks { n, of: TicksOf::Trades } => write!(f, "Ticks({n}, of=\"trades\")"),
            Self::Volume { threshold } => write!(f, "Volume({threshold})"),
            Self::Turnover { threshold } => write!(f, "Turnover({threshold})"),
            Self::Imbalance { threshold: Some(threshold), of, .. } => write!(f, "Imbalance({threshold}{of})"),
            Self::Imbalance { target: Some(target), span: Some(span), of, .. } => {
                write!(f, "Imbalance(target={target}, span={span}{of})")
            }
            Self::Imbalance { .. } => f.write_str("Imbalance()"),
            Self::Runs { target, span, of } => write!(f, "Runs(target={target}, span={span}{of})"),
            Self::Time { every } => write!(f, "Time({every:?})"),
        }
    }
}

/// One rule, or a list over the same trades, whose bars say in a column which rule made them.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Rules {
    /// One.
    One(RuleForm),
    /// Any number.
    Several(Vec<RuleForm>),
}

/// By hand: serde would keep a copy of what it reads, to try one variant after the other, which made restoring a checkpoint
/// slower.
impl<'de> Deserialize<'de> for Rules {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct OneOrSeveral;

        impl<'de> Visitor<'de> for OneOrSeveral {
            type Value = Rules;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a rule or a list of rules")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Rules, A::Error> {
                RuleForm::deserialize(MapAccessDeserializer::new(map)).map(Rules::One)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Rules, A::Error> {
                let mut rules = Vec::new();
                while let Some(rule) = list.next_element()? {
                    rules.push(rule);
                }
                Ok(Rules::Several(rules))
            }
        }

        from.deserialize_any(OneOrSeveral)
    }
}

/// The column that tells the bars of several rules apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Label {
    /// `threshold_dbps`, if all are ranges in decimal basis points.
    Threshold,
    /// `rule`, the rule as a user writes it.
    Rule,
}

impl Rules {
    /// The rules in their order.
    pub fn as_slice(&self) -> &[RuleForm] {
        match self {
            Self::One(rule) => std::slice::from_ref(rule),
            Self::Several(rules) => rules,
        }
    }

    /// The column that tells the bars of the rules apart, if a list was given.
    pub fn label(&self) -> Option<Label> {
        let Self::Several(rules) = self else { return None };
        let are_thresholds = rules.iter().all(|rule| rule.threshold_dbps().is_some());
        Some(if are_thresholds { Label::Threshold } else { Label::Rule })
    }

    /// Whether windows of time end bars of one of them.
    pub fn have_time(&self) -> bool {
        self.as_slice().iter().any(RuleForm::is_of_time)
    }

    /// The first rule that looks at a role, if there is one; the rules are valid.
    pub fn reading(&self, role: Role) -> Option<&RuleForm> {
        let reads =
            |form: &&RuleForm| form.rule(Decimals::default(), true).is_ok_and(|rule| rule.reads().contains(&role));
        self.as_slice().iter().find(reads)
    }

    /// The rules as the core takes them, for prices of some decimals.
    ///
    /// # Errors
    ///
    /// No rule, one with a parameter that it cannot have, or one that is given twice.
    pub fn rules(&self, decimals: Decimals, same_timestamp_gate: bool) -> Result<Vec<AnyRule>, FrameError> {
        let rules = self.as_slice();
        if rules.is_empty() {
            return Err(FrameError(
                "`threshold_dbps` must contain at least one threshold, got an empty list".to_owned(),
            ));
        }
        let rules: Vec<_> =
            rules.iter().map(|rule| rule.rule(decimals, same_timestamp_gate)).collect::<Result<_, _>>()?;
        if let Some(twice) = (1..rules.len()).find(|&i| rules[..i].contains(&rules[i])) {
            return Err(FrameError(format!("`threshold_dbps` must not contain {} twice", self.as_slice()[twice])));
        }
        Ok(rules)
    }
}

/// As a user writes it: a plain number is a range in decimal basis points.
impl fmt::Display for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let written = |rule: &RuleForm| rule.threshold_dbps().map_or_else(|| rule.to_string(), |dbps| dbps.to_string());
        match self {
            Self::One(rule) => f.write_str(&written(rule)),
            Self::Several(rules) => write!(f, "[{}]", rules.iter().map(written).collect::<Vec<_>>().join(", ")),
        }
    }
}
