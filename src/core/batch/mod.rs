//! Rows of many groups, brought into the order of their groups.

pub mod arranged;
pub mod layout;
