// mqtt.js: `node client.js URL VERSION OPTIONS`, where VERSION is 3, 4 or 5, and OPTIONS are those of mqtt.js as JSON.
// Publishes messages of several sizes to itself, with each QoS. Ends with 0 if all of them come back as they were.
'use strict';

const assert = require('node:assert');
const fs = require('node:fs');
const mqtt = require('mqtt');

const SIZES = [0, 1, 125, 126, 65_535, 65_536, 300_000];

function payload(size) {
  return Buffer.from(Array.from({ length: size }, (_, index) => index % 251));
}

async function main([url, version, text]) {
  const options = JSON.parse(text);
  if (options.caFile) {
    options.ca = fs.readFileSync(options.caFile);
  }
  const client = await mqtt.connectAsync(url, { protocolVersion: Number(version), reconnectPeriod: 0, ...options });
  let came;
  client.on('message', (topic, message, packet) => came({ topic, message, qos: packet.qos }));
  for (const qos of [0, 1, 2]) {
    const topic = `js/${qos}`;
    const [granted] = await client.subscribeAsync(topic, { qos });
    assert.strictEqual(granted.qos, qos);
    for (const size of SIZES) {
      const next = new Promise((resolve) => { came = resolve; });
      await client.publishAsync(topic, payload(size), { qos });
      const got = await next;
      assert.deepStrictEqual({ ...got, message: undefined }, { topic, message: undefined, qos });
      assert.ok(got.message.equals(payload(size)), `${size} bytes, QoS ${qos}`);
    }
  }
  await client.endAsync();
}

// mqtt.js may leave a promise open when the connection fails, and then node just ends.
process.exitCode = 1;
main(process.argv.slice(2)).then(() => {
  process.exitCode = 0;
}, console.error);
