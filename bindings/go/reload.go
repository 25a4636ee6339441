package rmqtt

// ReloadReport is what has become of another configuration. Pointers are JSON pointers into it.
type ReloadReport struct {
	Applied      []string `json:"applied"`       // what has changed and holds now
	NeedsRestart []string `json:"needs_restart"` // what differs from what holds, until the next start
	Closed       []string `json:"closed"`        // the names of the listeners that have been closed
}

// Reload puts another configuration in the place of the one that there is. Of a broker that runs, everything changes at
// once that can, and the rest at the next start; docs/configuration.md says which keys are which. Certificates, keys and
// lists are read again, also where the text is the same. Clients stay connected. A second call waits for the first one to
// end.
//
// It fails with [ErrInvalidConfig] and all faults, also those of certificates and keys, and with [ErrBind] if a new
// listener cannot be bound. Nothing has changed then.
func (b *Broker) Reload(configJSON string) (ReloadReport, error) {
	c, err := b.enter()
	if err != nil {
		return ReloadReport{}, err
	}
	defer b.leave()
	var report ReloadReport
	if err := callReload(c, configJSON, &report); err != nil {
		return ReloadReport{}, err
	}
	// Of two calls at the same time, this may keep the time of the one that has not the last word: a lock could wait for
	// a callback that waits for it.
	b.timeout.Store(int64(decisionTimeout(configJSON)))
	return report, nil
}
