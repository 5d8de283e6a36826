//! The negative results of the host's functions, as `ABI.md` names them.

pub const BAD_HANDLE: i32 = -1;
pub const BAD_RANGE: i32 = -2;
pub const TOO_LARGE: i32 = -3;
pub const INVALID: i32 = -4;
pub const NOT_AVAILABLE: i32 = -5;
pub const ABSENT: i32 = -6;
pub const TIMEOUT: i32 = -7;
pub const CLOSED: i32 = -8;
pub const DENIED: i32 = -9;
