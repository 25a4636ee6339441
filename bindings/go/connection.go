package rmqtt

// #include "shim.h"
import "C"

import (
	"time"
	"unsafe"
)

// Connection is what is known of a connection besides its address, before its client has said anything in MQTT. Text that
// is empty is not known, or does not apply.
type Connection struct {
	Transport    string // "tcp", "tls", "ws", "wss", "quic", "unix", or "attached" for one that this program has brought
	ProxyAddress string // the load balancer or reverse proxy that has told of the client's address

	// What a load balancer tells in version 2 of the PROXY protocol.
	ProxyAuthority  string // the server that the client has named (SNI)
	ProxyALPN       string // the application protocol
	ProxyTLSVersion string // as the load balancer spells it
	ProxyCommonName string // of the client's certificate, if the load balancer has verified it
	ProxyUniqueID   []byte // what identifies the connection; nil if that was not told

	// What a TLS handshake has come to.
	TLSVersion  string       // "1.2" or "1.3"; empty where there is no TLS, or before its handshake
	CipherSuite string       // as IANA spells it, such as "TLS_AES_128_GCM_SHA256"
	ServerName  string       // the server that the client has named (SNI)
	ALPN        string       // the application protocol agreed on
	Certificate *Certificate // of the client; nil if it has shown none

	Credentials *Credentials // who is at the other end of a Unix socket; nil if that is not known
}

// Certificate is a certificate that a client has shown, and that has been verified.
type Certificate struct {
	Subject    string // as RFC 4514 writes it: "CN=pump-7,O=Plant"
	CommonName string // of the subject; empty if it has none
	Issuer     string // written as the subject
	Serial     string // the serial number: hexadecimal digits in lower case, two for each octet
	SHA256     string // the fingerprint: 64 hexadecimal digits in lower case

	// AlternativeNames are those of the subject, each with its kind: "DNS:pump-7.example", "IP:192.0.2.1",
	// "URI:urn:pump:7", "email:pump@example.com". Names of other kinds are in DER only.
	AlternativeNames []string

	NotBefore time.Time
	NotAfter  time.Time
	DER       []byte // the certificate itself, for x509.ParseCertificate
}

// Credentials tell who is at the other end of a Unix socket.
type Credentials struct {
	PID int32  // the process that connected; -1 if the system does not tell
	UID uint32 // the user that it ran as
	GID uint32 // its group
}

// Stage is how far a connection has come. Later versions may have more.
type Stage int32

// How far connections come.
const (
	// StageAccepted: it has been accepted. Nothing has been read but the header of the PROXY protocol, where there is one.
	StageAccepted Stage = C.RMQTT_STAGE_ACCEPTED

	// StageEstablished: the handshakes of TLS, WebSocket and QUIC are over. Only for listeners that have one.
	StageEstablished Stage = C.RMQTT_STAGE_ESTABLISHED
)

func (s Stage) String() string {
	return name(int32(s), "accepted", "established")
}

func goConnection(connection *C.rmqtt_connection_t) Connection {
	result := Connection{
		Transport:       goString(connection.transport),
		ProxyAddress:    goString(connection.proxy_address),
		ProxyAuthority:  goString(connection.proxy_authority),
		ProxyALPN:       goString(connection.proxy_alpn),
		ProxyTLSVersion: goString(connection.proxy_tls_version),
		ProxyCommonName: goString(connection.proxy_common_name),
		ProxyUniqueID:   goBytes(connection.proxy_unique_id),
		TLSVersion:      goString(connection.tls_version),
		CipherSuite:     goString(connection.cipher_suite),
		ServerName:      goString(connection.server_name),
		ALPN:            goString(connection.alpn),
	}
	if connection.certificate != nil {
		result.Certificate = goCertificate(connection.certificate)
	}
	// The system knows the user, or nothing.
	if connection.uid != C.UINT32_MAX {
		result.Credentials = &Credentials{
			PID: int32(connection.pid),
			UID: uint32(connection.uid),
			GID: uint32(connection.gid),
		}
	}
	return result
}

func goConnectionOrNil(connection *C.rmqtt_connection_t) *Connection {
	if connection == nil {
		return nil
	}
	result := goConnection(connection)
	return &result
}

func goCertificate(certificate *C.rmqtt_certificate_t) *Certificate {
	return &Certificate{
		Subject:          goString(certificate.subject),
		CommonName:       goString(certificate.common_name),
		Issuer:           goString(certificate.issuer),
		Serial:           goString(certificate.serial),
		SHA256:           goString(certificate.sha256),
		AlternativeNames: goStrings(certificate.alternative_names, certificate.alternative_name_count),
		NotBefore:        time.Unix(int64(certificate.not_before_s), 0),
		NotAfter:         time.Unix(int64(certificate.not_after_s), 0),
		DER:              goBytes(certificate.der),
	}
}

func goStrings(texts *C.rmqtt_str_t, count C.size_t) []string {
	if count == 0 {
		return nil
	}
	result := make([]string, count)
	for index, text := range unsafe.Slice(texts, count) {
		result[index] = goString(text)
	}
	return result
}
