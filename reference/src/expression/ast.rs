//! Conditions after parsing: every placeholder is replaced by what it stands for.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::item::{AttributeType, AttributeValue};

/// Something that holds of an item or does not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Predicate {
    Compare(Operand, Comparator, Operand),
    Between { value: Operand, lower: Operand, upper: Operand },
    In(Operand, Vec<Operand>),
    Exists(Path),
    NotExists(Path),
    HasType(Operand, AttributeType),
    BeginsWith(Operand, Operand),
    Contains(Operand, Operand),
    And(Vec<Predicate>),
    Or(Vec<Predicate>),
    Not(Box<Predicate>),
}

impl Predicate {
    /// The top-level attributes of all paths. As deep as the parser allowed, never deeper.
    pub(super) fn roots(&self) -> BTreeSet<&str> {
        match self {
            Self::Compare(left, _, right)
            | Self::BeginsWith(left, right)
            | Self::Contains(left, right) => {
                [left, right].into_iter().filter_map(Operand::root).collect()
            }
            Self::Between { value, lower, upper } => {
                [value, lower, upper].into_iter().filter_map(Operand::root).collect()
            }
            Self::In(value, list) => {
                std::iter::once(value).chain(list).filter_map(Operand::root).collect()
            }
            Self::Exists(path) | Self::NotExists(path) => BTreeSet::from([path.root.as_str()]),
            Self::HasType(operand, _) => operand.root().into_iter().collect(),
            Self::And(parts) | Self::Or(parts) => parts.iter().flat_map(Self::roots).collect(),
            Self::Not(inner) => inner.roots(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Comparator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparator {
    pub(super) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "=" => Self::Equal,
            "<>" => Self::NotEqual,
            "<" => Self::Less,
            "<=" => Self::LessOrEqual,
            ">" => Self::Greater,
            ">=" => Self::GreaterOrEqual,
            _ => return None,
        })
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }

    /// The comparator that says the same with its sides exchanged.
    pub(super) fn mirrored(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
            it @ (Self::Equal | Self::NotEqual) => it,
        }
    }

    /// Whether both sides must have an order.
    pub(super) fn orders(self) -> bool {
        !matches!(self, Self::Equal | Self::NotEqual)
    }
}

/// What is compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Operand {
    Path(Path),
    Literal(AttributeValue),
    Size(Path),
}

impl Operand {
    fn root(&self) -> Option<&str> {
        match self {
            Self::Path(path) | Self::Size(path) => Some(&path.root),
            Self::Literal(_) => None,
        }
    }
}

/// A place within an item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Path {
    pub(super) root: String,
    pub(super) steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Step {
    Field(String),
    Index(u32),
}

impl fmt::Display for Path {
    /// As Amazon shows paths in messages: `[a, b, [3]]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}", self.root)?;
        for step in &self.steps {
            match step {
                Step::Field(name) => write!(f, ", {name}")?,
                Step::Index(index) => write!(f, ", [{index}]")?,
            }
        }
        f.write_str("]")
    }
}
