'use strict';
/* host: one address of the farm, 127.a.b.c, and what was done to it: connections and subscriptions at the same time, over all its
 * relays (told apart by path).  This is what an operator would see, so the tests of our manners read it.
 *
 *     number n  <->  127.(1 + n / 65536).(n / 256 % 256).(n % 256)  <->  rN.farm-relay.com */
const { Random } = require('./random.js');
const { play } = require('./script.js');

const TIMES_MAX = 5000;

function addressOf(n) {
    return `127.${1 + (n >> 16)}.${(n >> 8) & 255}.${n & 255}`;
}

function numberOf(address) {
    const m = /(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(address || '');
    return m === null ? -1 : ((Number(m[2]) - 1) << 16) | (Number(m[3]) << 8) | Number(m[4]);
}

class Host {
    constructor(n) {
        this.n = n;
        this.relays = new Map(); /* path -> Relay */
        this.open = 0;
        this.subs = new Set();
        this.failsDone = 0;
        this.random = new Random(n);
        this.clear();
    }

    clear() {
        this.connects = []; /* when each TCP connection came, ms */
        this.connectsTotal = 0;
        this.httpRequests = [];
        this.openMax = this.open;
        this.subsMax = this.subs.size;
    }

    /* A TCP connection; false: not served.  A shared listener cannot refuse, so a relay that is down resets. */
    connected(conn) {
        this.connectsTotal++;
        if (this.connects.length < TIMES_MAX)
            this.connects.push(Date.now());
        conn.counted = true;
        this.open++;
        this.openMax = Math.max(this.openMax, this.open);
        const first = this.relays.values().next().value;
        const fail = first && first.profile.fail;
        const fails = fail && (this.failsDone < (fail.first || 0) || this.random.unit() < (fail.p || 0));
        if (fails)
            this.failsDone++;
        return !(fails || (first && first.profile.down));
    }

    disconnected(conn) {
        if (!conn.counted)
            return;
        conn.counted = false;
        this.open--;
        for (const key of conn.subKeys || [])
            this.subs.delete(key);
    }

    subscriptionOpened(conn, sub) {
        conn.subKeys = conn.subKeys || new Set();
        const key = `${conn.number}:${sub}`;
        conn.subKeys.add(key);
        this.subs.add(key);
        this.subsMax = Math.max(this.subsMax, this.subs.size);
    }

    subscriptionClosed(conn, sub) {
        const key = `${conn.number}:${sub}`;
        if (conn.subKeys)
            conn.subKeys.delete(key);
        this.subs.delete(key);
    }

    upgrade(conn, head) {
        const path = head.path.split('?')[0].replace(/\/+$/, '');
        const relay = this.relays.get(path) || this.relays.get('');
        if (relay === undefined) {
            conn.answer('404 Not Found', {}, 'no relay here');
            return;
        }
        if ((head.headers.upgrade || '').toLowerCase() !== 'websocket') {
            this.httpRequests.push({
                at: Date.now(), path: head.path, accept: head.headers.accept || '', agent: head.headers['user-agent'] || '',
            });
            if (relay.profile.http) {
                play(conn, relay.profile.http, head);
                return;
            }
            conn.answer('200 OK', { 'Content-Type': 'application/nostr+json' }, JSON.stringify(document11(relay.profile)));
            return;
        }
        const how = relay.profile.upgrade;
        if (how !== undefined) {
            refuseUpgrade(conn, how, head);
            return;
        }
        conn.accept();
        conn.relay = relay;
        relay.opened(conn);
    }

    summary() {
        return {
            n: this.n, address: addressOf(this.n), open: this.open, open_max: this.openMax, subscriptions_max: this.subsMax,
            connects: this.connects, connects_total: this.connectsTotal, http_requests: this.httpRequests,
        };
    }
}

function document11(profile) {
    return profile.nip11 || {
        name: `farm relay ${profile.n}`, software: 'https://farm-relay.com', version: '1',
        supported_nips: [1, 11].concat(profile.sends_auth || profile.auth ? [42] : [], profile.nip77 ? [77] : []),
        limitation: { max_limit: profile.cap, auth_required: profile.auth === 'required' },
    };
}

function refuseUpgrade(conn, how, head) {
    if (how.raw !== undefined) {
        play(conn, how, head);
    } else if (typeof how === 'object') {
        conn.answer(how.status, how.headers || {}, how.body || '');
    } else if (how === 'reset') {
        conn.reset();
    } else if (how === 'wrong_accept') {
        conn.socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
            'Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n');
    } else if (how === 'endless') {
        conn.socket.write('HTTP/1.1 101 Switching Protocols\r\n');
        const timer = setInterval(() => conn.dead ? clearInterval(timer) : conn.socket.write('X-More: and more\r\n'.repeat(50)), 5);
    } /* 'silent': nothing is ever said */
}

module.exports = { Host, addressOf, numberOf };
