//! A reference implementation of backup and restore for a DynamoDB-like service.

pub mod api;
pub mod expression;
pub mod item;
