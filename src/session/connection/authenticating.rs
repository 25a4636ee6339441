//! AUTH from a client that is connected: it authenticates again `[MQTT-5 4.12.1]`.

use super::super::closing::Closing;
use super::super::ruling::{diagnosis_of, Refusal, Ruling};
use super::{Connection, Held, Host};
use crate::codec::Auth;
use crate::model::{ReasonCode, Text};

/// Questions to the host program within one exchange: a client and a hook cannot go on for ever.
pub(in crate::session) const MAX_ROUNDS: u32 = 64;

/// The authentication method that a client has connected with.
pub(super) struct Authentication {
    method: Text,
    /// That of the exchange which is under way; 0 if none is.
    round: u32,
}

impl Connection {
    /// The client has connected with this method, and may authenticate with it again.
    pub(in crate::session) fn agree_on(&mut self, method: Text) {
        self.authentication = Some(Box::new(Authentication { method, round: 0 }));
    }

    pub(super) fn auth(&mut self, auth: &Auth, host: &mut impl Host) -> Result<(), Closing> {
        let fault = |words| Err(Closing::by_broker(ReasonCode::PROTOCOL_ERROR, words));
        let Some(authentication) = &mut self.authentication else {
            // [MQTT-4.12.0-7]
            return fault("AUTH without an authentication method in CONNECT");
        };
        if auth.method.as_deref() != Some(&*authentication.method) {
            return fault("AUTH with another authentication method than CONNECT");
            // [MQTT-4.12.1-1]
        }
        let again = auth.reason == ReasonCode::REAUTHENTICATE;
        match authentication.round {
            0 if !again => return fault("AUTH goes on with an exchange that there is not"),
            1.. if again => return fault("AUTH begins an exchange within another"),
            _ => authentication.round += 1,
        }
        match host.may_authenticate(&authentication.method, auth.data.as_deref(), authentication.round) {
            Ruling::Later => {
                self.held = Some(Box::new(Held::Auth));
                Ok(())
            }
            ruling => self.auth_ruled(ruling),
        }
    }

    pub(super) fn auth_ruled(&mut self, ruling: Ruling) -> Result<(), Closing> {
        let Some(authentication) = &mut self.authentication else { return Ok(()) };
        let (reason, changes) = match ruling {
            Ruling::Allowed(changes) => {
                authentication.round = 0;
                (ReasonCode::SUCCESS, changes)
            }
            Ruling::Challenged(changes) if authentication.round < MAX_ROUNDS => {
                (ReasonCode::CONTINUE_AUTHENTICATION, changes) // [MQTT-4.12.0-2]
            }
            Ruling::Refused(refusal) => return Err(failed(*refusal)),
            Ruling::Dropped | Ruling::Challenged(_) | Ruling::Later => {
                return Err(failed(Refusal::new(ReasonCode::NOT_AUTHORIZED)));
            }
        };
        let changes = changes.as_deref();
        let (data, diagnosis) =
            (changes.and_then(|changes| changes.auth_data.as_ref()), changes.and_then(diagnosis_of));
        let method = Some(&*authentication.method); // [MQTT-4.12.0-5]
        self.encoder.auth(reason, method, data, diagnosis.as_ref(), &mut self.out)?;
        Ok(())
    }
}

/// The connection of a client that has not authenticated again ends `[MQTT-4.12.1-2]`.
fn failed(refusal: Refusal) -> Closing {
    Closing::by_refusal(refusal, "re-authentication failed")
}
