//! Destinations: usage, health, forecast.

pub mod destinations;
pub mod forecast;
