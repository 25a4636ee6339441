//! What a request for WebSocket has to be, and how others are answered.

use tokio_tungstenite::tungstenite::error::{CapacityError, Error, ProtocolError};
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request};
use tokio_tungstenite::tungstenite::http::header::{
    HeaderName, HeaderValue, ALLOW, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, ORIGIN, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use tokio_tungstenite::tungstenite::http::StatusCode;

/// The subprotocols that are MQTT: of MQTT 3.1.1 and 5 [MQTT-6.0.0-3], and of MQTT 3.1.
const SUBPROTOCOLS: [&str; 2] = ["mqtt", "mqttv3.1"];

/// A web page's origin as RFC 6454 compares them: scheme and host without regard to case, and the port that the scheme has
/// by default is no other than none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origin(String);

impl Origin {
    pub(super) fn new(text: &str) -> Self {
        let text = text.trim().to_ascii_lowercase();
        let bare = [("https://", ":443"), ("http://", ":80")].into_iter().find_map(|(scheme, port)| {
            let rest = text.strip_prefix(scheme)?;
            Some(format!("{scheme}{}", rest.strip_suffix(port).unwrap_or(rest)))
        });
        Origin(bare.unwrap_or(text))
    }
}

/// Whether a request may come from the page that it comes from, if it comes from one.
pub(super) fn may_come_from(allowed: &[Origin], request: &Request) -> bool {
    let mut origins = request.headers().get_all(ORIGIN).iter();
    allowed.is_empty() || origins.all(|origin| origin.to_str().is_ok_and(|text| allowed.contains(&Origin::new(text))))
}

/// The first subprotocol that the client offers and that is MQTT.
pub(super) fn subprotocol(request: &Request) -> Option<&'static str> {
    let lines = request.headers().get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    let offers = lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(','));
    offers.map(str::trim).find_map(|offer| SUBPROTOCOLS.into_iter().find(|known| *known == offer))
}

/// The answer to a request that is refused, after which the connection is closed.
pub(super) fn refusal(status: StatusCode, text: &'static str) -> ErrorResponse {
    let body = format!("{text}\n");
    let mut response = ErrorResponse::new(None);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    *response.body_mut() = Some(body);
    response
}

/// The answer to what tungstenite does not take for a request for WebSocket; `None` if nobody is there to be answered, or
/// the answer has been given.
pub(super) fn answer(error: &Error) -> Option<ErrorResponse> {
    use ProtocolError::*;
    let upgrade = |text, name: HeaderName, value| {
        let mut response = refusal(StatusCode::UPGRADE_REQUIRED, text);
        response.headers_mut().insert(name, HeaderValue::from_static(value));
        response
    };
    let response = match error {
        Error::AttackAttempt | Error::Capacity(CapacityError::TooManyHeaders) => {
            refusal(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "the head of the request is too large")
        }
        Error::Protocol(WrongHttpMethod) => {
            let mut response = refusal(StatusCode::METHOD_NOT_ALLOWED, "WebSocket begins with GET");
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
            response
        }
        Error::Protocol(WrongHttpVersion) => {
            refusal(StatusCode::HTTP_VERSION_NOT_SUPPORTED, "WebSocket begins with HTTP/1.1")
        }
        Error::Protocol(MissingConnectionUpgradeHeader | MissingUpgradeWebSocketHeader) => {
            upgrade("there is nothing here but MQTT over WebSocket", UPGRADE, "websocket")
        }
        Error::Protocol(MissingSecWebSocketVersionHeader) => {
            upgrade("only version 13 of WebSocket is spoken", SEC_WEBSOCKET_VERSION, "13")
        }
        Error::Protocol(HandshakeIncomplete) | Error::Io(_) | Error::Http(_) => return None,
        _ => refusal(StatusCode::BAD_REQUEST, "this is no request for WebSocket"),
    };
    Some(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_compared_as_rfc_6454_says() {
        let same = [
            ("https://example.com", "HTTPS://Example.COM"),
            ("https://example.com", "https://example.com:443"),
            ("http://example.com:80", "http://example.com"),
            ("http://[::1]:80", "http://[::1]"),
            ("null", "null"),
        ];
        for (one, other) in same {
            assert_eq!(Origin::new(one), Origin::new(other));
        }
        let different = [
            ("https://example.com", "http://example.com"),
            ("https://example.com", "https://example.com:80"),
            ("https://example.com", "https://example.com:8443"),
            ("https://example.com", "https://example.com.evil"),
            ("https://example.com", "https://www.example.com"),
            ("https://example.com", "null"),
        ];
        for (one, other) in different {
            assert_ne!(Origin::new(one), Origin::new(other));
        }
    }

    #[test]
    fn the_first_offer_that_is_known_is_taken() {
        let chosen = |lines: &[&str]| {
            let mut request = Request::new(());
            for line in lines {
                request.headers_mut().append(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_str(line).unwrap());
            }
            subprotocol(&request)
        };
        assert_eq!(chosen(&["mqtt"]), Some("mqtt"));
        assert_eq!(chosen(&["mqttv3.1, mqtt"]), Some("mqttv3.1"));
        assert_eq!(chosen(&["chat ,\tmqtt"]), Some("mqtt"));
        assert_eq!(chosen(&["chat", "", "mqtt,mqttv3.1"]), Some("mqtt"));
        for none in [&[][..], &[""], &["chat"], &["MQTT"], &["mqtt5"], &["mqtt mqttv3.1"]] {
            assert_eq!(chosen(none), None, "{none:?}");
        }
    }
}
