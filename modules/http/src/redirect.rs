//! When the second generation follows a redirect, and with which method.

use sluice::{Method, Response};

/// How many redirects are followed.
pub const MAX: usize = 30;

/// Where a response sends the client to, if it does.
pub fn target(response: &Response) -> Option<String> {
    let is_redirect = matches!(response.status(), 301 | 302 | 303 | 307 | 308);
    is_redirect.then(|| response.header("location")).flatten().filter(|location| !location.is_empty())
}

/// The method of the next request. Where it differs, the next request has no body.
pub fn method(status: u16, method: Method) -> Method {
    match (status, method) {
        (_, Method::Head) => Method::Head,
        (302 | 303, _) | (301, Method::Post) => Method::Get,
        _ => method,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods() {
        for (status, sent, want) in [
            (301, Method::Post, Method::Get),
            (301, Method::Put, Method::Put),
            (301, Method::Delete, Method::Delete),
            (302, Method::Post, Method::Get),
            (302, Method::Put, Method::Get),
            (302, Method::Delete, Method::Get),
            (303, Method::Patch, Method::Get),
            (303, Method::Head, Method::Head),
            (307, Method::Post, Method::Post),
            (308, Method::Put, Method::Put),
        ] {
            assert_eq!(method(status, sent), want, "{status} {sent:?}");
        }
    }
}
