use std::num::NonZeroU16;
use std::sync::Arc;

use futures::channel::mpsc;
use futures::StreamExt;
use rmqtt::context::ServerContext;
use rmqtt::types::{ConnectInfo, Id, Message, QoS, Retain, SessionSubs, SessionTx, Subscribe};

use super::clients::Clients;
use super::{unix_ms, RESERVED_CLIENT_ID};
use crate::hooks::SubscriptionQueue;

/// Subscribes on behalf of the host program: a session without a connection, which RMQTT routes to like to any other.
pub(super) async fn subscribe(
    context: &ServerContext,
    clients: &Arc<Clients>,
    filter: &str,
    replay: bool,
    queue: Arc<SubscriptionQueue>,
) -> rmqtt::Result<()> {
    let id = session_id(context, queue.id());
    let subscription = Subscribe::from_v3(&filter.into(), QoS::AtMostOnce, true, false)?;
    let (sender, mut messages) = mpsc::unbounded();

    let mut entry = context.extends.shared().await.entry(id.clone()).try_lock().await?;
    entry.set(session(context, &id).await?, SessionTx::new(sender)).await?;
    if let Err(error) = entry.subscribe(&subscription).await {
        entry.remove().await?;
        return Err(error);
    }
    drop(entry);
    clients.in_process_added();

    // [MQTT-3.8.4-4] for ordinary subscriptions; a shared one gets no retained messages.
    if replay && subscription.opts.shared_group().is_none() {
        for (topic, Retain { from, mut publish, .. }) in
            context.extends.retain().await.get(&subscription.topic_filter).await?
        {
            publish.topic = topic;
            publish.retain = true;
            publish.qos = QoS::AtMostOnce;
            queue.push(clients.message(&from, &publish));
        }
    }

    let clients = clients.clone();
    tokio::spawn(async move {
        let removed = Removed(clients.clone());
        while let Some(message) = messages.next().await {
            match message {
                Message::Forward(from, publish) => queue.push(clients.message(&from, &publish)),
                Message::Kick(answer, ..) => {
                    // Whoever kicks waits for the answer and takes the entry off the map itself.
                    let _: Result<(), ()> = answer.send(());
                    break;
                }
                _ => {}
            }
        }
        drop(removed);
    });
    Ok(())
}

/// Counts the subscription out when its task ends, also with the runtime.
struct Removed(Arc<Clients>);

impl Drop for Removed {
    fn drop(&mut self) {
        self.0.in_process_removed();
    }
}

/// Ends the subscription of that number. Its task ends with the sender that the map held.
pub(super) async fn unsubscribe(context: &ServerContext, subscription: u64) {
    let mut entry = context.extends.shared().await.entry(session_id(context, subscription));
    if let Err(error) = entry.remove().await {
        tracing::warn!(%error, "a subscription of the host program did not end in order");
    }
}

fn session_id(context: &ServerContext, subscription: u64) -> Id {
    Id::from(context.node.id(), format!("{RESERVED_CLIENT_ID}subscription/{subscription}").into())
}

async fn session(context: &ServerContext, id: &Id) -> rmqtt::Result<rmqtt::session::Session> {
    let settings = Arc::new(rmqtt::net::Builder::new());
    let connect = Arc::new(ConnectInfo::from(id.clone()));
    let fitter = context.extends.fitter_mgr().await.create(connect.clone(), id.clone(), settings.clone());
    let now = unix_ms(std::time::SystemTime::now()) as i64;
    let (max_queued, max_inflight) = (1, NonZeroU16::MIN); // messages do not pass through the session's own queues
    let (session_present, superuser, connected) = (false, true, true);
    rmqtt::session::Session::new(
        id.clone(),
        context.clone(),
        max_queued,
        settings,
        fitter,
        None,
        max_inflight,
        now,
        connect,
        session_present,
        superuser,
        connected,
        now,
        SessionSubs::new(),
        None,
        None,
    )
    .await
}
