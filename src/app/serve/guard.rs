//! Who may ask, and what every answer says of itself.
//!
//! The page is on the loopback address, so that whoever asks runs on this machine; but a browser runs other
//! people's pages here too. A page of another site cannot send our Host (a name that it had pointed at
//! 127.0.0.1 would stand there), our Origin, or a header of its own without being asked first, which we never
//! answer.
//!
//! Other users of this machine can send all of that. The page, and everything that shows a scenario, a plan, a
//! report or what `tune` found, is therefore served only to requests with the key, which `cli` prints. Scripts and
//! styles hold none of these. `docs/security.md` lists each threat with its test.
//!
//! # Source
//! Fetch standard, "CORS protocol" and "Origin header"; W3C "Fetch Metadata Request Headers";
//! W3C "Content Security Policy Level 3".

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header},
    middleware::Next,
    response::Response,
};

use super::{Settings, answer::refuse};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What holds nothing of a scenario, a bill or the key: anybody on this machine may read it.
const OPEN: [&str; 3] = ["/page.css", "/page.js", "/chart.js"];

/// The names under which the page is served, and its key.
#[derive(Debug, Clone)]
pub(super) struct Door {
    hosts: [String; 2],
    key: String,
}

impl Door {
    pub(super) fn new(settings: Settings) -> Self {
        let port = settings.port;
        let hosts = [format!("127.0.0.1:{port}"), format!("localhost:{port}")];
        Self { hosts, key: settings.key() }
    }

    /// Returns whether this is the key; how long that takes tells nothing of it.
    fn is_key(&self, given: &[u8]) -> bool {
        let pairs = given.iter().zip(self.key.bytes());
        given.len() == self.key.len() && pairs.fold(0, |apart, (a, b)| apart | (a ^ b)) == 0
    }

    /// Returns why the page is not shown, or nothing done, to who has no key.
    fn locked(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<&'static str> {
        if method == Method::POST {
            let given = headers.get("x-runrate").map(HeaderValue::as_bytes).unwrap_or_default();
            let message = "send the key in the page as the header x-runrate; \
                if the program was restarted, open the address that it printed";
            return (!self.is_key(given)).then_some(message);
        }
        if OPEN.contains(&uri.path()) {
            return None;
        }
        let query = uri.query().unwrap_or_default().split('&');
        let asked = query.filter_map(|part| part.strip_prefix("key=")).map(str::as_bytes);
        let sent = headers.get("x-runrate").map(HeaderValue::as_bytes);
        let shut = !asked.chain(sent).any(|given| self.is_key(given));
        shut.then_some("open the address that `runrate serve` printed")
    }

    fn is_host(&self, text: &str) -> bool {
        self.hosts.iter().any(|host| host.eq_ignore_ascii_case(text))
    }

    /// Returns why a request is not answered.
    fn refuses(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Option<(StatusCode, String)> {
        let forbidden = |message: String| Some((StatusCode::FORBIDDEN, message));
        let mut hosts = headers.get_all(header::HOST).iter();
        let host = hosts.next().and_then(|host| host.to_str().ok());
        let named = uri.authority().is_none_or(|named| self.is_host(named.as_str()));
        if !named || hosts.next().is_some() || !host.is_some_and(|host| self.is_host(host)) {
            return forbidden(format!("this page is only at http://{}/", self.hosts[0]));
        }
        if let Some(origin) = headers.get(header::ORIGIN) {
            let own = origin.to_str().ok().and_then(|origin| origin.strip_prefix("http://"));
            if !own.is_some_and(|origin| self.is_host(origin)) {
                return forbidden(
                    "the request comes from another page; only requests of this page are answered"
                        .into(),
                );
            }
        }
        let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
        let own = matches!(site, None | Some(b"same-origin" | b"none"));
        // A link to the page may be followed from anywhere; it cannot be framed.
        if !own && uri.path() != "/" {
            return forbidden(
                "the request comes from another page; only requests of this page are answered"
                    .into(),
            );
        }
        if ![Method::GET, Method::HEAD, Method::POST].contains(method) {
            return Some((
                StatusCode::METHOD_NOT_ALLOWED,
                format!("{method}: use GET, HEAD or POST"),
            ));
        }
        if let Some(message) = self.locked(method, uri, headers) {
            return forbidden(message.into());
        }
        if method == Method::POST {
            let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
            let kind = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim();
            if !kind.eq_ignore_ascii_case("application/json") {
                let message = "send JSON: content-type: application/json".to_owned();
                return Some((StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
            }
        }
        None
    }
}

/// Refuses who may not ask; puts the rules of the house on every answer.
pub(super) async fn guard(State(door): State<Door>, request: Request, next: Next) -> Response {
    let refused = door.refuses(request.method(), request.uri(), request.headers());
    let mut response = match refused {
        Some((status, message)) => refuse(status, &message),
        None => next.run(request).await,
    };
    let headers = response.headers_mut();
    // A page without scripts has a policy of its own, which is stricter but for its styles.
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(POLICY));
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    for (name, value) in [
        ("cross-origin-resource-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if response.status() == StatusCode::METHOD_NOT_ALLOWED {
        response
            .headers_mut()
            .entry(header::ALLOW)
            .or_insert(HeaderValue::from_static("GET, HEAD, POST"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "000000000000000000000000000000a7";

    fn asked((method, path): (&Method, &str), headers: &[(&'static str, &'static str)]) -> u16 {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_static(value));
        }
        let uri: Uri = path.parse().unwrap();
        let door = Door::new(Settings { port: 8383, write: false, trials: 1, key: 0xa7 });
        door.refuses(method, &uri, &map).map_or(200, |(status, _)| status.as_u16())
    }

    #[test]
    fn a_request_without_the_key_is_refused() {
        let host = ("host", "127.0.0.1:8383");
        let json = ("content-type", "application/json");
        for (expected, path) in [
            (200, "/?key=000000000000000000000000000000a7"),
            (200, "/?a=b&key=000000000000000000000000000000a7"),
            (403, "/"),
            (403, "/?key="),
            (403, "/?key=a7"),
            (403, "/?key=000000000000000000000000000000a8"),
            (403, "/?key=000000000000000000000000000000a70"),
            (403, "/?monkey=000000000000000000000000000000a7"),
            (200, "/page.css"),
            (200, "/page.js"),
            (200, "/chart.js"),
            (403, "/page.js/"),
            // Whatever shows a scenario or a plan, and whatever is added to the router later.
            (403, "/api/scenario"),
            (403, "/report/json?side=a"),
            (403, "/report/json?side=a&key=1"),
            (200, "/report/json?side=a&key=000000000000000000000000000000a7"),
            (403, "/tuned"),
            (200, "/tuned?key=000000000000000000000000000000a7"),
            (403, "/new"),
        ] {
            for method in [Method::GET, Method::HEAD] {
                assert_eq!(asked((&method, path), &[host]), expected, "{method} {path}");
            }
        }
        let get = Method::GET;
        let sent = [host, ("x-runrate", KEY)];
        assert_eq!(asked((&get, "/api/scenario"), &sent), 200);
        let sent = [host, ("x-runrate", "1")];
        assert_eq!(asked((&get, "/api/scenario"), &sent), 403);
        for (expected, key) in [(200, KEY), (403, "1"), (403, ""), (403, &KEY[1..])] {
            let headers = [host, json, ("x-runrate", key)];
            assert_eq!(asked((&Method::POST, "/api/save"), &headers), expected, "{key:?}");
        }
    }

    #[test]
    fn only_the_page_itself_is_answered() {
        let host = ("host", "127.0.0.1:8383");
        let key = ("x-runrate", KEY);
        let (get, post) = (Method::GET, Method::POST);
        let json = [host, ("x-runrate", KEY), ("content-type", "application/json; charset=utf-8")];
        for (expected, method, path, headers) in [
            (200, &get, "/", &[host, key][..]),
            (200, &get, "/", &[("host", "LOCALHOST:8383"), key]),
            (403, &get, "/", &[key]),
            (403, &get, "/", &[("host", "evil.example:8383"), key]),
            (403, &get, "/", &[("host", "127.0.0.1"), key]),
            (403, &get, "/", &[("host", "127.0.0.1:8384"), key]),
            (403, &get, "/", &[host, host, key]),
            (403, &get, "http://evil.example/", &[host, key]),
            (403, &get, "/", &[host, ("origin", "null"), key]),
            (403, &get, "/", &[host, ("origin", "https://127.0.0.1:8383"), key]),
            (200, &get, "/", &[host, ("origin", "http://localhost:8383"), key]),
            (200, &get, "/", &[host, ("sec-fetch-site", "cross-site"), key]),
            (403, &get, "/report/json", &[host, ("sec-fetch-site", "cross-site"), key]),
            (403, &get, "/api/scenario", &[host, ("sec-fetch-site", "same-site"), key]),
            (200, &get, "/api/scenario", &[host, ("sec-fetch-site", "same-origin"), key]),
            (405, &Method::DELETE, "/", &[host]),
            (200, &Method::HEAD, "/", &[host, key]),
            (403, &Method::HEAD, "/", &[host]),
            (405, &Method::TRACE, "/", &[host, key]),
            (405, &Method::OPTIONS, "/api/plan", &[host]),
            (200, &post, "/api/plan", &json),
            (403, &post, "/api/plan", &[host, json[2]]),
            (415, &post, "/api/plan", &[host, json[1]]),
            (415, &post, "/api/plan", &[host, json[1], ("content-type", "text/plain")]),
        ] {
            assert_eq!(asked((method, path), headers), expected, "{method} {path} {headers:?}");
        }
    }
}
