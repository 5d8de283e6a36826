//! Write Sluice connectors in Rust.
//!
//! A connector is one table and one function per command. The table is a constant: the manifest that the host reads
//! and the dispatch of calls both come from it, so nothing is said twice.
//!
//! ```
//! use sluice::{Answer, Call, Command, Connector, Param, Request, Result};
//!
//! const WEATHER: Connector = Connector::new("weather", "1.0.0", "Forecasts by city")
//!     .http("asks the forecast service", &["https://api.weather.example"])
//!     .commands(&[Command::new("GetForecast", "The forecast for one city", get_forecast)
//!         .params(&[Param::string("city", "Name of the city").required()])]);
//!
//! fn get_forecast(call: &Call) -> Result<Answer> {
//!     let city = call.params().require_str("city")?;
//!     let url = format!("https://api.weather.example/v1/{city}");
//!     let mut response = Request::get(&url).header("accept", "application/json").send(call)?;
//!     Ok(Answer::json_text(response.text()?).status(response.status()))
//! }
//!
//! sluice::export!(WEATHER);
//! # fn main() {}
//! ```
//!
//! Build it with `--target wasm32-unknown-unknown` as a `cdylib`. On any other target the same code runs under
//! `cargo test` against [`testing::TestHost`], with no server.
//!
//! # Notes
//!
//! - A call starts from the memory image taken after initialisation: statics keep nothing between calls.
//! - Numbers keep their text: `1.0` stays `1.0`, and an integer of 23 digits keeps all of them. Objects keep the order
//!   of their keys.
//! - What a call needs of memory comes from an arena of 64 KiB first. A connector that brings an allocator of its own takes
//!   the crate without its feature `arena`.
//! - A panic ends the call as `connector_crashed`. Only its place is logged, because its text may quote a parameter.

mod abi;
mod answer;
#[cfg(any(test, all(target_arch = "wasm32", feature = "arena")))]
mod arena;
mod cache;
mod call;
mod connector;
mod error;
mod failure;
mod http;
pub mod json;
mod params;
mod scan;
mod secret;
mod send_error;
pub mod tcp;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;

pub use abi::Host;
pub use answer::Answer;
pub use cache::Cache;
pub use call::{Call, Context, Level};
pub use connector::{Command, Connector, Handler, Kind, Param};
pub use error::{Error, Result};
pub use http::{Headers, Method, Request, Response};
pub use params::Params;
pub use secret::Hash;
pub use send_error::{Field, SendError, SendErrorKind};
pub use serde_json;

#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub use abi::Guest;

/// Exports a [`Connector`] to the host: `describe`, `execute` and `warm`.
///
/// Use it once, in the root of a `cdylib` crate. On targets other than wasm it expands to nothing.
#[macro_export]
macro_rules! export {
    ($connector:expr) => {
        #[cfg(target_arch = "wasm32")]
        mod __sluice_exports {
            use super::*;

            #[unsafe(no_mangle)]
            extern "C" fn describe() {
                $connector.describe(&$crate::Guest::enter());
            }

            #[unsafe(no_mangle)]
            extern "C" fn execute(command: u32) {
                $connector.execute(&$crate::Guest::enter(), command as usize);
            }

            #[unsafe(no_mangle)]
            extern "C" fn warm() {
                $crate::Guest::enter();
                $connector.warm();
            }
        }
    };
}
