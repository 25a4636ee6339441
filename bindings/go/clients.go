package rmqtt

// #include "shim.h"
import "C"

import "time"

// ClientQuery is which clients are asked for. Text that is empty does not matter; a client has to meet all the rest.
type ClientQuery struct {
	ClientIDPrefix string // what the client identifier begins with
	Username       string
	Address        string   // a host, such as "192.0.2.1", or with the port, such as "192.0.2.1:49152"
	Listener       string   // the name of the listener
	After          string   // the client identifier behind which to begin: ClientPage.Next of the page before
	Connected      Presence // whether it is connected
	Limit          uint32   // how many clients at most, 1 to 1000; 0 means 100
}

// Presence is whether a client that is asked for is connected.
type Presence int32

// Whether clients are connected.
const (
	PresenceAny          Presence = C.RMQTT_PRESENCE_ANY           // it does not matter
	PresenceConnected    Presence = C.RMQTT_PRESENCE_CONNECTED     // it is connected
	PresenceNotConnected Presence = C.RMQTT_PRESENCE_NOT_CONNECTED // it has a session, but is not connected
)

func (p Presence) String() string {
	return name(int32(p)+1, "any", "connected", "not connected")
}

// ClientPage is some of the clients that were asked for.
type ClientPage struct {
	Clients []ClientInfo // in the order of the bytes of their client identifiers
	Next    string       // ClientQuery.After for the page behind this one; empty if there are no more clients
}

// ClientInfo is a session, and the last connection that had it.
type ClientInfo struct {
	Client                       // that connection
	Connected      bool          // whether it still has the session
	KeepAlive      time.Duration // the one that holds; 0 for none
	CleanStart     bool          // whether CONNECT asked for a new session
	SessionExpiry  time.Duration // how long the session outlives the connection; Never for ever
	ConnectedAt    time.Time     // when the connection began
	DisconnectedAt *time.Time    // when it ended; nil while it lasts
	Subscriptions  []SubscriptionInfo
	QueuedMessages uint64 // that wait for the client
	QueuedBytes    uint64 // that those take, as limits.max_queued_bytes counts them
	InFlight       uint64 // messages of QoS 1 and 2 that have been sent, and not acknowledged to the end

	// All connections of the session together.
	MessagesReceived uint64 // that the client has published, those that were refused included; wills are not
	MessagesSent     uint64 // those that are sent again included
	MessagesDropped  uint64 // that were for this client and did not reach it
	BytesReceived    uint64
	BytesSent        uint64
}

// SubscriptionInfo is a subscription of a client.
type SubscriptionInfo struct {
	Filter  string // as the client, or SubscribeClient, has asked for it
	Granted string // the filter whose messages it gets: that one, unless a hook has put another in its place
	ClientSubscription
}

// ClientSubscription is how a client is subscribed.
type ClientSubscription struct {
	Identifier        uint32 // that an MQTT 5 client gets with the messages, 1 to 268435455; 0 for none
	QoS               byte   // the highest of the messages, 0 to limits.max_qos of the configuration
	NoLocal           bool   // not the messages that the client publishes itself; not for a shared subscription
	RetainAsPublished bool   // the retain flag as publishers set it
	RetainHandling    byte   // as in MQTT 5: 0 delivers retained messages, 1 does for a new subscription, 2 does not
}

// Action is what a client might do.
type Action int32

// What clients might do.
const (
	ActionPublish   Action = C.RMQTT_ACTION_PUBLISH
	ActionSubscribe Action = C.RMQTT_ACTION_SUBSCRIBE
)

func (a Action) String() string {
	return name(int32(a), "publish", "subscribe")
}

// Explanation is what would become of something that a client might do.
type Explanation struct {
	ClientID   string
	Action     Action
	Topic      string // the topic name, or the filter
	Allowed    *bool  // nil: that is for the hook to say
	DecidedBy  DecidedBy
	Hook       string // with DecidedByHook: "authorize_publish" or "authorize_subscribe"
	Rule       string // the key of the configuration; empty if there is none behind it
	ReasonCode byte   // if it is not allowed: of MQTT 5, whatever the client speaks
	Detail     string // for people
}

// DecidedBy is what decides about something that a client might do.
type DecidedBy string

// What decides.
const (
	DecidedByValidation DecidedBy = "validation" // the topic name or filter is none
	DecidedByLimit      DecidedBy = "limit"      // limits.max_topic_levels or limits.max_subscriptions
	DecidedByHook       DecidedBy = "hook"       // it would be asked
	DecidedByRule       DecidedBy = "rule"       // one of the configuration, for or against
	DecidedBySuperuser  DecidedBy = "superuser"  // a rule would forbid it, but does not hold for a superuser
	DecidedByDefault    DecidedBy = "default"    // nothing speaks against it
)

// Clients lists clients that have a session, connected or not, in the order of their client identifiers, a page at a
// time. Clients that come and go between two pages may be in neither of them; no client is in both. The zero query is the
// first 100 of all. It never waits for a client or a callback.
func (b *Broker) Clients(query ClientQuery) (ClientPage, error) {
	c, err := b.enter()
	if err != nil {
		return ClientPage{}, err
	}
	defer b.leave()
	var found struct {
		Clients []clientJSON
		Next    string
	}
	if err := callClients(c, &query, &found); err != nil {
		return ClientPage{}, err
	}
	page := ClientPage{Clients: make([]ClientInfo, len(found.Clients)), Next: found.Next}
	for index := range found.Clients {
		page.Clients[index] = found.Clients[index].info()
	}
	return page, nil
}

// Client shows one client that has a session, connected or not. It fails with [ErrNotFound] if there is none. It never
// waits for a client or a callback.
func (b *Broker) Client(clientID string) (ClientInfo, error) {
	c, err := b.enter()
	if err != nil {
		return ClientInfo{}, err
	}
	defer b.leave()
	var found clientJSON
	if err := callClient(c, clientID, &found); err != nil {
		return ClientInfo{}, err
	}
	return found.info(), nil
}

// Disconnect disconnects a client, and ends its session if wanted, with its subscriptions and all that waits in it; that
// works for a client that is away, too. An MQTT 5 client is told the reason code, one that a server may send in
// DISCONNECT: 0x00, or 0x80 and above, such as 0x98, administrative action. The will is published.
//
// When this returns, the connection has been asked to close, and does so soon. Hooks.Disconnected hears of it, and
// Hooks.SessionTerminated of [SessionEndDiscarded].
//
// It fails with [ErrNotFound] if the client is not connected, or, to discard its session, has none.
func (b *Broker) Disconnect(clientID string, reasonCode byte, discardSession bool) error {
	c, err := b.enter()
	if err != nil {
		return err
	}
	defer b.leave()
	return callDisconnect(c, clientID, reasonCode, discardSession)
}

// SubscribeClient subscribes a client, connected or not, as if it had done so itself: Hooks.Subscribed hears of it, and
// retained messages are delivered, to a client that is away when it comes back. No hook and no access rule is asked, and
// limits.max_subscriptions is not looked at. If the client has the filter already, the options are replaced. Nil options
// are the defaults.
//
// It fails with [ErrNotFound] if there is no session of such a client.
func (b *Broker) SubscribeClient(clientID, filter string, options *ClientSubscription) error {
	c, err := b.enter()
	if err != nil {
		return err
	}
	defer b.leave()
	if options == nil {
		options = &ClientSubscription{}
	}
	return callSubscribeClient(c, clientID, filter, options)
}

// UnsubscribeClient ends a subscription of a client, connected or not, as if it had done so itself: Hooks.Unsubscribed
// hears of it, and no hook is asked. The filter is the one that was subscribed to. Messages that wait for the client
// already stay.
//
// It fails with [ErrNotFound] if there is no session of such a client, or it is not subscribed to the filter.
func (b *Broker) UnsubscribeClient(clientID, filter string) error {
	c, err := b.enter()
	if err != nil {
		return err
	}
	defer b.leave()
	return callUnsubscribeClient(c, clientID, filter)
}

// SubscriberCount tells how many would get a message to a topic, if it were published now by somebody who is not among
// them: sessions, those of absent clients included, and subscriptions of this program; of each shared group one.
func (b *Broker) SubscriberCount(topic string) (uint64, error) {
	c, err := b.enter()
	if err != nil {
		return 0, err
	}
	defer b.leave()
	return callSubscriberCount(c, topic)
}

// Explain explains what would become of something that a client might do, and which rule, hook or default decides it:
// publishing to a topic name, or subscribing to a filter. Nothing is done, and no hook is asked. What is no topic is
// explained as well.
//
// It fails with [ErrNotFound] if there is no session of such a client.
func (b *Broker) Explain(clientID string, action Action, topic string) (Explanation, error) {
	c, err := b.enter()
	if err != nil {
		return Explanation{}, err
	}
	defer b.leave()
	var found struct {
		ClientID   string `json:"client_id"`
		Topic      string
		Allowed    *bool
		DecidedBy  DecidedBy `json:"decided_by"`
		Hook, Rule string
		ReasonCode byte `json:"reason_code"`
		Detail     string
	}
	if err := callExplain(c, clientID, action, topic, &found); err != nil {
		return Explanation{}, err
	}
	return Explanation{
		ClientID:   found.ClientID,
		Action:     action,
		Topic:      found.Topic,
		Allowed:    found.Allowed,
		DecidedBy:  found.DecidedBy,
		Hook:       found.Hook,
		Rule:       found.Rule,
		ReasonCode: found.ReasonCode,
		Detail:     found.Detail,
	}, nil
}

// clientJSON is a client as the library shows it.
type clientJSON struct {
	ClientID         string `json:"client_id"`
	Connected        bool
	Protocol         string
	Username         *string
	Address          string
	Listener         string
	NodeID           uint64 `json:"node_id"`
	Serial           uint64
	Superuser        bool
	KeepAlive        uint16 `json:"keep_alive_s"`
	CleanStart       bool   `json:"clean_start"`
	SessionExpiry    uint32 `json:"session_expiry_s"`
	ConnectedAt      int64  `json:"connected_at_ms"`
	DisconnectedAt   *int64 `json:"disconnected_at_ms"`
	Subscriptions    []subscriptionJSON
	QueuedMessages   uint64 `json:"queued_messages"`
	QueuedBytes      uint64 `json:"queued_bytes"`
	InFlight         uint64 `json:"in_flight"`
	MessagesReceived uint64 `json:"messages_received"`
	MessagesSent     uint64 `json:"messages_sent"`
	MessagesDropped  uint64 `json:"messages_dropped"`
	BytesReceived    uint64 `json:"bytes_received"`
	BytesSent        uint64 `json:"bytes_sent"`
}

type subscriptionJSON struct {
	Filter            string
	Granted           string
	QoS               byte
	NoLocal           bool   `json:"no_local"`
	RetainAsPublished bool   `json:"retain_as_published"`
	RetainHandling    byte   `json:"retain_handling"`
	Identifier        uint32 // null leaves 0
}

// protocols are the values of Client.Protocol.
var protocols = map[string]byte{"3.1": 3, "3.1.1": 4, "5": 5}

func (c *clientJSON) info() ClientInfo {
	info := ClientInfo{
		Client: Client{
			ClientID:  c.ClientID,
			Address:   c.Address,
			Listener:  c.Listener,
			NodeID:    c.NodeID,
			Serial:    c.Serial,
			Protocol:  protocols[c.Protocol],
			Superuser: c.Superuser,
		},
		Connected:        c.Connected,
		KeepAlive:        time.Duration(c.KeepAlive) * time.Second,
		CleanStart:       c.CleanStart,
		SessionExpiry:    time.Duration(c.SessionExpiry) * time.Second, // for ever is as many seconds as Never
		ConnectedAt:      time.UnixMilli(c.ConnectedAt),
		Subscriptions:    make([]SubscriptionInfo, len(c.Subscriptions)),
		QueuedMessages:   c.QueuedMessages,
		QueuedBytes:      c.QueuedBytes,
		InFlight:         c.InFlight,
		MessagesReceived: c.MessagesReceived,
		MessagesSent:     c.MessagesSent,
		MessagesDropped:  c.MessagesDropped,
		BytesReceived:    c.BytesReceived,
		BytesSent:        c.BytesSent,
	}
	if c.Username != nil {
		info.Username, info.HasUsername = *c.Username, true
	}
	if c.DisconnectedAt != nil {
		at := time.UnixMilli(*c.DisconnectedAt)
		info.DisconnectedAt = &at
	}
	for index, s := range c.Subscriptions {
		info.Subscriptions[index] = SubscriptionInfo{s.Filter, s.Granted,
			ClientSubscription{s.Identifier, s.QoS, s.NoLocal, s.RetainAsPublished, s.RetainHandling}}
	}
	return info
}
