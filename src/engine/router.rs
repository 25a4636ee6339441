use std::str::FromStr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use async_trait::async_trait;
use rmqtt::context::ServerContext;
use rmqtt::router::DefaultRouter;
use rmqtt::subscribe::SharedSubscription;
use rmqtt::topic::Topic;
use rmqtt::trie::VecToTopic;
use rmqtt::types::{
    AllRelationsMap, ClientId, HashMap, Id, IsOnline, NodeId, Route, SharedGroup, SubRelationsMap, SubsSearchParams,
    SubsSearchResult, SubscriptioRelationsCollectorMap, SubscriptionIdentifier, SubscriptionOptions, TopicFilter,
    TopicName,
};
use rmqtt::utils::Counter;

/// A member of a shared subscription, in the form that RMQTT hands to a strategy.
type Member = (NodeId, ClientId, SubscriptionOptions, Option<Vec<SubscriptionIdentifier>>, Option<IsOnline>);

/// RMQTT's router with another `matches`.
///
/// The original holds a lock of its subscription map while it awaits whether the members of a shared group are
/// online; with members coming and going meanwhile, every worker ends up waiting for that lock. Here what is needed is
/// copied under the lock, and awaited after it.
pub(super) struct Router {
    context: ServerContext,
    inner: DefaultRouter,
}

impl Router {
    pub(super) fn new(context: ServerContext) -> Self {
        Router { inner: DefaultRouter::new(Some(context.clone())), context }
    }

    async fn matching_filters(&self, topic: &Topic) -> Vec<TopicFilter> {
        let topics = self.inner.topics.read().await;
        topics.matches(topic).iter().map(|(filter, _)| filter.to_topic_filter()).collect()
    }

    fn subscribers(&self, filter: &TopicFilter) -> Vec<(ClientId, Id, SubscriptionOptions)> {
        match self.inner.relations.get(filter) {
            Some(subscribers) => subscribers
                .iter()
                .map(|(client, (id, options))| (client.clone(), id.clone(), options.clone()))
                .collect(),
            None => Vec::new(),
        }
    }

    async fn is_connected(&self, node_id: NodeId, client_id: &str) -> bool {
        // The session is cloned out of its map for the same reason.
        let entry = self.context.extends.shared().await.entry(Id::from(node_id, ClientId::from(client_id)));
        match entry.session() {
            Some(session) => session.connected().await.unwrap_or(false),
            None => false,
        }
    }
}

#[async_trait]
impl rmqtt::router::Router for Router {
    async fn add(&self, filter: &str, id: Id, options: SubscriptionOptions) -> rmqtt::Result<()> {
        self.inner.add(filter, id, options).await
    }

    async fn remove(&self, filter: &str, id: Id) -> rmqtt::Result<bool> {
        self.inner.remove(filter, id).await
    }

    async fn matches(&self, publisher: Id, name: &TopicName) -> rmqtt::Result<SubRelationsMap> {
        let mut receivers = SubscriptioRelationsCollectorMap::default();
        for filter in self.matching_filters(&Topic::from_str(name)?).await {
            let mut groups: HashMap<SharedGroup, Vec<Member>> = HashMap::default();
            for (client, id, options) in self.subscribers(&filter) {
                if options.no_local() == Some(true) && publisher == id {
                    continue; // [MQTT-3.8.3-3]
                }
                match options.shared_group().cloned() {
                    Some(group) => {
                        let online = self.is_connected(id.node_id, &client).await;
                        groups.entry(group).or_default().push((id.node_id, client, options, None, Some(online)));
                    }
                    None => receivers.entry(id.node_id).or_default().add(&filter, client, options, None),
                }
            }
            for (group, mut members) in groups {
                let clients = members.iter().map(|member| member.1.clone()).collect();
                let strategy = self.context.extends.shared_subscription().await;
                let choice = strategy.choice(&self.context, &group, &publisher, name, &members).await;
                if let Some((index, online)) = choice {
                    let (node_id, client, options, ..) = members.swap_remove(index);
                    let group = Some((group, online, clients));
                    receivers.entry(node_id).or_default().add(&filter, client, options, group);
                }
            }
        }
        Ok(receivers.into_iter().map(|(node_id, receivers)| (node_id, receivers.into())).collect())
    }

    async fn is_online(&self, node_id: NodeId, client_id: &str) -> bool {
        self.is_connected(node_id, client_id).await
    }

    async fn gets(&self, limit: usize) -> Vec<Route> {
        self.inner.gets(limit).await
    }

    async fn get(&self, topic: &str) -> rmqtt::Result<Vec<Route>> {
        self.inner.get(topic).await
    }

    async fn query_subscriptions(&self, query: &SubsSearchParams) -> Vec<SubsSearchResult> {
        self.inner.query_subscriptions(query).await
    }

    async fn topics_tree(&self) -> usize {
        self.inner.topics_tree().await
    }

    fn topics(&self) -> Counter {
        self.inner.topics()
    }

    fn routes(&self) -> Counter {
        self.inner.routes()
    }

    fn merge_topics(&self, topics: &HashMap<NodeId, Counter>) -> Counter {
        self.inner.merge_topics(topics)
    }

    fn merge_routes(&self, routes: &HashMap<NodeId, Counter>) -> Counter {
        self.inner.merge_routes(routes)
    }

    async fn list_topics(&self, top: usize) -> Vec<String> {
        self.inner.list_topics(top).await
    }

    async fn list_relations(&self, top: usize) -> Vec<serde_json::Value> {
        self.inner.list_relations(top).await
    }

    fn relations(&self) -> &AllRelationsMap {
        self.inner.relations()
    }
}

/// Gives each message of a shared subscription to the next member, those that are connected first.
///
/// One counter serves all groups: a counter for each would let clients grow a map by making up group names.
#[derive(Default)]
pub(super) struct RoundRobin {
    next: AtomicUsize,
}

#[async_trait]
impl SharedSubscription for RoundRobin {
    fn is_supported(&self) -> bool {
        true
    }

    async fn choice(
        &self,
        _context: &ServerContext,
        _group: &SharedGroup,
        _publisher: &Id,
        _topic: &TopicName,
        members: &[Member],
    ) -> Option<(usize, IsOnline)> {
        let online: Vec<usize> =
            members.iter().enumerate().filter(|(_, member)| member.4 == Some(true)).map(|(index, _)| index).collect();
        let turn = self.next.fetch_add(1, Relaxed);
        match online.as_slice() {
            [] if members.is_empty() => None,
            [] => Some((turn % members.len(), false)),
            online => Some((online[turn % online.len()], true)),
        }
    }
}
