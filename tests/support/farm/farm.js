#!/usr/bin/env node
'use strict';
/* The relay farm: thousands of relays in one process, for the tests of bigbrotrd.
 *
 *     node farm.js --dir DIR --mint PROGRAM [--port P] [--tls-port P]
 *
 * One listener for ws:// and one for wss:// on all loopback addresses; which relay is meant is told by the address that was dialled:
 * relay N is 127.(1 + N / 65536).(N / 256 % 256).(N % 256), or rN.farm-relay.com in the farm's own name server (dns.js).  What
 * each does is its profile (relay.js), what it did is its record, both by the control port (control.js).
 *
 * When ready it prints one line of JSON: { control, ws, wss, dns, ca }, all ports but the last.  It ends when its standard input
 * does, so that it never outlives the test that started it. */
const { execFile } = require('node:child_process');
const crypto = require('node:crypto');
const fs = require('node:fs');
const net = require('node:net');
const path = require('node:path');
const tls = require('node:tls');
const { Conn } = require('./ws.js');
const { Relay } = require('./relay.js');
const { Host, addressOf, numberOf } = require('./host.js');
const { Dns } = require('./dns.js');
const { Control } = require('./control.js');
const { makeCertificates, rareCertificate } = require('./certs.js');

const MINTS_AT_ONCE = 2;
const BACKLOG = 4096;

class Farm {
    constructor(options) {
        this.options = options;
        this.hosts = new Map();
        this.ports = { ws: 0, wss: 0 };
        this.dns = new Dns();
        this.connNumber = 0;
        this.open = 0;
        this.minting = new Map();
        this.mintsRunning = 0;
        this.mintsWaiting = [];
        this.contexts = new Map();
    }

    relays() {
        return [...this.hosts.values()].flatMap((h) => [...h.relays.values()]);
    }

    /* --- data --- */

    /* The file that the mint makes for these options; made once. */
    mint(options) {
        const args = Object.entries(options).flatMap(([k, v]) => [`--${k}`, String(v)]);
        const name = crypto.createHash('sha256').update(args.join(' ')).digest('hex').slice(0, 24);
        const file = path.join(this.options.dir, `mint-${name}.jsonl`);
        if (!this.minting.has(file))
            this.minting.set(file, fs.existsSync(file) ? Promise.resolve(file) : this.runMint(args, file));
        return this.minting.get(file);
    }

    async runMint(args, file) {
        if (this.mintsRunning >= MINTS_AT_ONCE)
            await new Promise((go) => this.mintsWaiting.push(go));
        this.mintsRunning++;
        try {
            const out = await new Promise((resolve, reject) => {
                execFile(this.options.mint, args, { maxBuffer: 1 << 30, encoding: 'buffer' },
                    (error, stdout) => (error ? reject(error) : resolve(stdout)));
            });
            fs.writeFileSync(`${file}.new`, out);
            fs.renameSync(`${file}.new`, file);
        } finally {
            this.mintsRunning--;
            const next = this.mintsWaiting.shift();
            if (next)
                next();
        }
        return file;
    }

    async prepare(profile) {
        for (const part of profile.data || []) {
            if (part.mint)
                part.file = await this.mint(part.mint);
        }
    }

    add(profile) {
        if (!this.hosts.has(profile.n))
            this.hosts.set(profile.n, new Host(profile.n));
        const relay = new Relay(profile);
        this.hosts.get(profile.n).relays.set(profile.path || '', relay);
        return relay;
    }

    describe(relay) {
        const { n, path: at = '' } = relay.profile;
        return {
            n, path: at, address: addressOf(n), host: `r${n}.farm-relay.com`,
            url: `ws://${addressOf(n)}:${this.ports.ws}${at}`, wss: `wss://r${n}.farm-relay.com:${this.ports.wss}${at}`,
        };
    }

    /* --- connections --- */

    /* Called for every TCP connection; hosts that do not exist reset, as a closed port would. */
    accepted(raw) {
        raw.on('error', () => {});
        const host = this.hosts.get(numberOf(raw.localAddress));
        if (host === undefined) {
            raw.resetAndDestroy();
            return null;
        }
        raw.setNoDelay(true);
        const counter = { number: ++this.connNumber };
        this.open++;
        const served = host.connected(counter);
        raw.on('close', () => {
            this.open--;
            host.disconnected(counter);
        });
        const first = host.relays.values().next().value;
        if (!served) {
            raw.resetAndDestroy();
            return null;
        }
        if (first && first.profile.silent_accept)
            return null;
        return { host, counter };
    }

    converse(socket, raw, { host, counter }) {
        const conn = new Conn(socket, raw, {
            upgrade: (c, head) => host.upgrade(c, head),
            message: (c, text) => c.relay.message(c, text),
            closed: (c) => c.relay && c.relay.closed(c),
        });
        conn.host = {
            subscriptionOpened: (c, sub) => host.subscriptionOpened(counter, sub),
            subscriptionClosed: (c, sub) => host.subscriptionClosed(counter, sub),
        };
    }

    listenPlain(port, done) {
        const server = net.createServer((socket) => {
            const who = this.accepted(socket);
            if (who !== null)
                this.converse(socket, socket, who);
        });
        server.listen({ port, host: '0.0.0.0', backlog: BACKLOG }, () => done(server.address().port));
    }

    context(kind, versions) {
        const key = `${kind} ${JSON.stringify(versions)}`;
        if (!this.contexts.has(key)) {
            const files = this.certificates.kinds[kind] || rareCertificate(path.join(this.options.dir, 'certs'), kind);
            this.contexts.set(key, tls.createSecureContext({ ciphers: 'DEFAULT@SECLEVEL=0', ...files, ...versions }));
        }
        return this.contexts.get(key);
    }

    listenTls(port, done) {
        this.certificates = makeCertificates(path.join(this.options.dir, 'certs'));
        const secure = tls.createServer({
            ...this.certificates.kinds.good,
            SNICallback: (name, reply) => {
                const m = /^r(\d+)\./.exec(name);
                const host = m && this.hosts.get(Number(m[1]));
                const profile = host ? host.relays.values().next().value.profile : {};
                reply(null, this.context(profile.cert || 'good', profile.tls || {}));
            },
        });
        secure.on('tlsClientError', () => {});
        secure.on('secureConnection', (socket) => this.converse(socket, socket._parent, socket._parent.farmWho));
        const server = net.createServer((raw) => {
            const who = this.accepted(raw);
            if (who === null)
                return;
            raw.farmWho = who;
            secure.emit('connection', raw);
        });
        server.listen({ port, host: '0.0.0.0', backlog: BACKLOG }, () => done(server.address().port));
    }

    async start() {
        fs.mkdirSync(this.options.dir, { recursive: true });
        const [ws, wss, dns] = await Promise.all([
            new Promise((done) => this.listenPlain(Number(this.options.port || 0), done)),
            new Promise((done) => this.listenTls(Number(this.options['tls-port'] || 0), done)),
            new Promise((done) => this.dns.listen(0, done)),
        ]);
        this.ports = { ws, wss };
        const control = await new Promise((done) => new Control(this).listen(done));
        return { control, ws, wss, dns, ca: this.certificates.ca };
    }
}

function readOptions(argv) {
    const options = {};
    for (let i = 0; i + 1 < argv.length; i += 2)
        options[argv[i].replace(/^--/, '')] = argv[i + 1];
    if (options.dir === undefined) {
        process.stderr.write('usage: farm.js --dir DIR --mint PROGRAM [--port P] [--tls-port P]\n');
        process.exit(2);
    }
    return options;
}

process.stdin.on('end', () => process.exit(0));
process.stdin.on('error', () => process.exit(0));
process.stdin.resume();
new Farm(readOptions(process.argv.slice(2))).start().then((ready) => console.log(JSON.stringify(ready)));
