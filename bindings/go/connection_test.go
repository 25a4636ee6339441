package rmqtt

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

// seen is what hooks are told of a connection.
type seen struct {
	by         string
	stage      Stage
	connection *Connection
	username   string
}

// onlookers let everybody in.
func onlookers(told chan seen) Hooks {
	return Hooks{
		PreConnect: func(ctx context.Context, ev PreConnectEvent) Verdict {
			told <- seen{by: "PreConnect", stage: ev.Stage, connection: &ev.Connection}
			return Allow
		},
		Authenticate: func(ctx context.Context, ev AuthEvent) Verdict {
			told <- seen{by: "Authenticate", connection: &ev.Connection, username: ev.Username}
			return Allow
		},
		AuthExchange: func(ctx context.Context, ev AuthExchangeEvent) Verdict {
			told <- seen{by: "AuthExchange", connection: ev.Connection}
			return Allow
		},
	}
}

func TestConnectionOfTCP(t *testing.T) {
	told := make(chan seen, 4)
	b := started(t, config(), onlookers(told))
	connected(t, b, "c")
	want := &Connection{Transport: "tcp"}
	if got := receive(t, told); got.by != "PreConnect" || got.stage != StageAccepted || !reflect.DeepEqual(got.connection, want) {
		t.Errorf("%+v %+v", got, got.connection)
	}
	if got := receive(t, told); got.by != "Authenticate" || !reflect.DeepEqual(got.connection, want) {
		t.Errorf("%+v %+v", got, got.connection)
	}

	// In an exchange it is shown once, and not again with a re-authentication.
	method := withText(authMethod, "riddle")
	c := connectedWith(t, b, connect{id: "c", properties: method})
	receive(t, told)
	if got := receive(t, told); got.by != "AuthExchange" || !reflect.DeepEqual(got.connection, want) {
		t.Errorf("%+v %+v", got, got.connection)
	}
	c.auth(0x19, method)
	if got := receive(t, told); got.by != "AuthExchange" || got.connection != nil {
		t.Errorf("%+v %+v", got, got.connection)
	}

	if code := pair(t, b, nil).connect(connect{id: "p", version: 5}); code != 0 {
		t.Error(code)
	}
	if got := receive(t, told); got.stage != StageAccepted || got.connection.Transport != "attached" {
		t.Errorf("%+v %+v", got, got.connection)
	}
	if StageEstablished.String() != "established" || Stage(3).String() != "unknown 3" {
		t.Error(StageEstablished, Stage(3))
	}
}

func TestConnectionOfUnix(t *testing.T) {
	told := make(chan seen, 4)
	path := filepath.Join(t.TempDir(), "mqtt")
	b := started(t, `{"listeners":[{"type":"unix","path":`+quoted(t, path)+`}]}`, onlookers(told))
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	c, err := clientOn(t, conn)
	if err != nil {
		t.Fatal(err)
	}
	if code := c.connect(connect{id: "c", version: 5}); code != 0 {
		t.Error(code)
	}
	want := &Connection{
		Transport:   "unix",
		Credentials: &Credentials{PID: int32(os.Getpid()), UID: uint32(os.Getuid()), GID: uint32(os.Getgid())},
	}
	if got := receive(t, told); got.stage != StageAccepted || !reflect.DeepEqual(got.connection, want) {
		t.Errorf("%+v %+v", got, got.connection)
	}
	if got := receive(t, told); got.by != "Authenticate" || !reflect.DeepEqual(got.connection, want) {
		t.Errorf("%+v %+v", got, got.connection)
	}
	if listeners, err := b.Listeners(); err != nil || listeners[0].Type != "unix" || listeners[0].Address != path {
		t.Error(listeners, err)
	}
}

func TestConnectionOfTLS(t *testing.T) {
	authority := issue(t, x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "Plant authority"},
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
	}, nil)
	server := issue(t, x509.Certificate{
		SerialNumber: big.NewInt(2),
		Subject:      pkix.Name{CommonName: "broker"},
		DNSNames:     []string{"localhost"},
	}, &authority)
	pump := issue(t, x509.Certificate{
		SerialNumber:   big.NewInt(0x1234),
		Subject:        pkix.Name{Organization: []string{"Plant"}, CommonName: "pump-7"},
		DNSNames:       []string{"pump-7.example"},
		IPAddresses:    []net.IP{net.IPv4(192, 0, 2, 1)},
		URIs:           []*url.URL{{Scheme: "urn", Opaque: "pump:7"}},
		EmailAddresses: []string{"pump@example.com"},
		ExtKeyUsage:    []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, &authority)
	listener, err := json.Marshal(map[string]any{
		"listeners": []any{map[string]any{
			"name":    "main",
			"type":    "tls",
			"address": "127.0.0.1:0",
			"tls": map[string]any{
				"cert_pem":      server.certPEM(),
				"key_pem":       server.keyPEM(t),
				"client_ca_pem": authority.certPEM(),
				"client_auth":   "required",
				"username_from": "cn",
			},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	told := make(chan seen, 4)
	b := started(t, string(listener), onlookers(told))
	dialTLS := func(certificates ...tls.Certificate) *client {
		t.Helper()
		dialer := tls.Dialer{
			NetDialer: &net.Dialer{Timeout: patience},
			Config: &tls.Config{
				RootCAs:      authority.pool(),
				ServerName:   "localhost",
				NextProtos:   []string{"mqtt"},
				Certificates: certificates,
			},
		}
		conn, err := dialer.Dial("tcp", address(t, b))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		c, err := clientOn(t, conn)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}

	c := dialTLS(pump.forTLS())
	if code := c.connect(connect{id: "c", version: 5}); code != 0 {
		t.Errorf("%#x", code)
	}
	got := receive(t, told)
	if want := (&Connection{Transport: "tls"}); got.stage != StageAccepted || !reflect.DeepEqual(got.connection, want) {
		t.Errorf("%+v %+v", got, got.connection)
	}
	got = receive(t, told)
	if got.by != "PreConnect" || got.stage != StageEstablished {
		t.Errorf("%+v", got)
	}
	fingerprint := sha256.Sum256(pump.certificate.Raw)
	want := &Connection{
		Transport:   "tls",
		TLSVersion:  "1.3",
		CipherSuite: tls.CipherSuiteName(c.conn.(*tls.Conn).ConnectionState().CipherSuite),
		ServerName:  "localhost",
		ALPN:        "mqtt",
		Certificate: &Certificate{
			Subject:    "CN=pump-7,O=Plant",
			CommonName: "pump-7",
			Issuer:     "CN=Plant authority",
			Serial:     "1234",
			SHA256:     hex.EncodeToString(fingerprint[:]),
			AlternativeNames: []string{
				"DNS:pump-7.example", "email:pump@example.com", "IP:192.0.2.1", "URI:urn:pump:7",
			},
			NotBefore: got.connection.Certificate.NotBefore,
			NotAfter:  got.connection.Certificate.NotAfter,
			DER:       pump.certificate.Raw,
		},
	}
	if !reflect.DeepEqual(got.connection, want) {
		t.Errorf("%+v %+v", got.connection, got.connection.Certificate)
	}
	if shown := got.connection.Certificate; !shown.NotBefore.Equal(pump.certificate.NotBefore) ||
		!shown.NotAfter.Equal(pump.certificate.NotAfter) {
		t.Error(shown.NotBefore, shown.NotAfter)
	}
	if got := receive(t, told); got.username != "pump-7" || !reflect.DeepEqual(got.connection, want) {
		t.Errorf("%+v %+v", got, got.connection)
	}

	// In TLS 1.3, a client hears that it is refused when it reads.
	if _, _, err := dialTLS().read(); err == nil {
		t.Error("let in without a certificate")
	}
	if got := receive(t, told); got.stage != StageAccepted {
		t.Errorf("%+v", got)
	}
	eventually(t, "the handshake has failed", func() bool { return stats(t, b).HandshakesFailed == 1 })
}

func quoted(t *testing.T, text string) string {
	t.Helper()
	quoted, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	return string(quoted)
}
