package rmqtt

// #include "shim.h"
import "C"

import "time"

// BanKind is what of a client is banned. Later versions may have more.
type BanKind int32

// What is banned.
const (
	BanIP       BanKind = C.RMQTT_BAN_IP        // an address: one of IPv4, or a /64 network of IPv6
	BanClientID BanKind = C.RMQTT_BAN_CLIENT_ID // a client identifier
	BanUser     BanKind = C.RMQTT_BAN_USER      // a user name
)

func (kind BanKind) String() string {
	return name(int32(kind), "ip", "client id", "user")
}

// BanCause tells why somebody is banned. Later versions may have more.
type BanCause int32

// Why somebody is banned.
const (
	BanCauseAuthentication BanCause = C.RMQTT_BAN_CAUSE_AUTHENTICATION // too many failed to authenticate: limits.ban.failures
	BanCauseFlapping       BanCause = C.RMQTT_BAN_CAUSE_FLAPPING       // it has connected too often: limits.ban.flaps
	BanCauseAPI            BanCause = C.RMQTT_BAN_CAUSE_API            // this program has said so, with Ban
)

func (cause BanCause) String() string {
	return name(int32(cause), "authentication", "flapping", "api")
}

// Ban is somebody who is kept out.
type Ban struct {
	Kind  BanKind
	Value string // the address, client identifier or user name; of IPv6 the network, such as "2001:db8::/64"
	Cause BanCause
	Left  *time.Duration // how long it lasts from now on; nil until Unban
}

// Ban keeps somebody out: connections from that address are closed at once, clients of that client identifier or user name
// are refused with 0x8A. Clients that are connected are disconnected with 0x98. Of an address of IPv6, its /64 network is
// banned. The duration is rounded up to whole milliseconds; 0 is until Unban. A ban that is there already is replaced; all
// end with the run of the broker. Hooks.ClientBanned hears of it.
func (b *Broker) Ban(kind BanKind, value string, duration time.Duration) error {
	c, err := b.enter()
	if err != nil {
		return err
	}
	defer b.leave()
	return callBan(c, kind, value, duration)
}

// Unban lets somebody in again, whoever or whatever has kept it out. What has been counted of it is forgotten.
//
// It fails with [ErrNotFound] if it is not banned.
func (b *Broker) Unban(kind BanKind, value string) error {
	c, err := b.enter()
	if err != nil {
		return err
	}
	defer b.leave()
	return callUnban(c, kind, value)
}

// Bans lists all who are kept out.
func (b *Broker) Bans() ([]Ban, error) {
	c, err := b.enter()
	if err != nil {
		return nil, err
	}
	defer b.leave()
	var found struct {
		Bans []struct {
			Kind, Value, Cause string
			Left               *int64 `json:"left_ms"`
		}
	}
	if err := callBans(c, &found); err != nil {
		return nil, err
	}
	bans := make([]Ban, len(found.Bans))
	for index, ban := range found.Bans {
		bans[index] = Ban{Kind: banKinds[ban.Kind], Value: ban.Value, Cause: banCauses[ban.Cause]}
		if ban.Left != nil {
			left := time.Duration(*ban.Left) * time.Millisecond
			bans[index].Left = &left
		}
	}
	return bans, nil
}

// banKinds and banCauses are the words of the library; those of a later version are 0.
var (
	banKinds  = map[string]BanKind{"ip": BanIP, "client_id": BanClientID, "user": BanUser}
	banCauses = map[string]BanCause{
		"authentication": BanCauseAuthentication, "flapping": BanCauseFlapping, "api": BanCauseAPI,
	}
)
