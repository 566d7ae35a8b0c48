'use strict';
/* control: the farm's own port, for tests: HTTP on loopback, JSON in and out.
 *
 *     POST   /relays              [profile, ..]            makes relays: [{ n, path, url, wss, host }, ..]
 *     POST   /seeds               { seeds, base }          the same from seeds (seeds.js); also habits, tame, cap
 *     GET    /relays                                       one line each: n, url, requests, events, open subscriptions, last request
 *     GET    /relays/N            (all paths: ?path=/p)    the record: requests, connections, bytes
 *     GET    /relays/N/servable                            [[id, created_at, kind, inserted_at_ms], ..]
 *     GET    /relays/N/ids                                 ids of all that it holds, hidden or not
 *     GET    /relays/N/profile
 *     PATCH  /relays/N            { quirk: value, .. }     changes its behaviour from now on; null takes a quirk away
 *     POST   /relays/N/events     { file | mint | lines }  new events: stored and pushed to subscribers
 *     POST   /relays/N/kick       { how: reset|close }     ends its connections
 *     GET    /hosts/N                                      what the operator of that address saw
 *     GET    /totals                                       sums over all relays
 *     POST   /clear                                        forgets the record, keeps relays and events
 *     GET    /dns   POST /dns     { name: entry, .. }      questions asked; records and faults (dns.js)
 *     POST   /mint                { n, seed, .. }          { file } made by the mint */
const http = require('node:http');
const { addressOf } = require('./host.js');
const { emptyRecord } = require('./relay.js');
const { loadFile, parseEvents } = require('./store.js');
const { profileOf } = require('./seeds.js');

const BODY_MAX = 256 << 20;

class Control {
    constructor(farm) {
        this.farm = farm;
        this.server = http.createServer((request, response) => this.serve(request, response));
        this.server.keepAliveTimeout = 60000;
    }

    listen(done) {
        this.server.listen(0, '127.0.0.1', () => done(this.server.address().port));
    }

    async serve(request, response) {
        let status = 200;
        let result;
        try {
            const parts = [];
            let bytes = 0;
            for await (const part of request) {
                bytes += part.length;
                if (bytes > BODY_MAX)
                    throw new Error('body too large');
                parts.push(part);
            }
            const url = new URL(request.url, 'http://farm');
            const body = parts.length > 0 ? JSON.parse(Buffer.concat(parts).toString('utf8')) : {};
            result = await this.route(request.method, url, body);
        } catch (error) {
            status = 400;
            result = { error: error.stack };
        }
        response.writeHead(status, { 'Content-Type': 'application/json' });
        response.end(JSON.stringify(result === undefined ? {} : result));
    }

    route(method, url, body) {
        const [, what, n, action] = url.pathname.split('/');
        const key = `${method} ${what}${n === undefined ? '' : '/N'}${action === undefined ? '' : `/${action}`}`;
        const handler = this[key];
        if (handler === undefined)
            throw new Error(`no such thing: ${method} ${url.pathname}`);
        return handler.call(this, n === undefined ? body : this.find(what, Number(n), url), body);
    }

    find(what, n, url) {
        const host = this.farm.hosts.get(n);
        const found = host && (what === 'hosts' ? host : host.relays.get(url.searchParams.get('path') || ''));
        if (found === undefined)
            throw new Error(`no relay ${n}`);
        return found;
    }

    async 'POST relays'(profiles) {
        const out = [];
        await Promise.all(profiles.map((profile) => this.farm.prepare(profile)));
        for (const profile of profiles)
            out.push(this.farm.describe(this.farm.add(profile)));
        return out;
    }

    async 'POST seeds'({ seeds, base }) {
        const profiles = seeds.map((seed, i) => ({ ...profileOf(seed), n: base + i }));
        const made = await this['POST relays'](profiles);
        return made.map((m, i) => ({
            ...m, seed: seeds[i], habits: profiles[i].habits, tame: profiles[i].tame, whole: profiles[i].whole, cap: profiles[i].cap,
            order: profiles[i].order, hidden_kinds: profiles[i].hidden_kinds || [],
        }));
    }

    'GET relays'() {
        return this.farm.relays().map((r) => ({
            ...this.farm.describe(r), events: r.store.events.length, requests_total: r.record.requests_total,
            events_sent: r.record.events_sent, event_bytes: r.record.event_bytes, open: r.conns.size,
            subscriptions: [...r.conns].reduce((sum, c) => sum + c.subs.size, 0), refused: r.record.refused,
            connections_total: r.record.connections_total, last_request_at: r.record.last_request_at,
        }));
    }

    'GET relays/N'(relay) {
        const distinct = relay.store.events.filter((e) => relay.sentIds.has(e.id));
        return {
            ...relay.record, profile: relay.profile, events: relay.store.events.length, distinct_sent: relay.sentIds.size,
            distinct_bytes: distinct.reduce((sum, e) => sum + e.json.length + 16, 0), open: relay.conns.size,
        };
    }

    'GET relays/N/servable'(relay) {
        return relay.servable();
    }

    'GET relays/N/ids'(relay) {
        return [...relay.store.ids];
    }

    'GET relays/N/profile'(relay) {
        return relay.profile;
    }

    'PATCH relays/N'(relay, changes) {
        for (const [key, value] of Object.entries(changes)) {
            if (value === null)
                delete relay.profile[key];
            else
                relay.profile[key] = value;
        }
        return relay.profile;
    }

    async 'POST relays/N/events'(relay, body) {
        const file = body.mint ? await this.farm.mint(body.mint) : body.file;
        const events = file ? loadFile(file) : parseEvents(body.lines.join('\n'));
        return { added: relay.publish(events), ids: events.map((e) => e.id) };
    }

    'POST relays/N/kick'(relay, { how }) {
        const conns = [...relay.conns];
        for (const conn of conns)
            how === 'close' ? conn.close(1001) : conn.reset();
        return { ended: conns.length };
    }

    'GET hosts/N'(host) {
        return host.summary();
    }

    'GET totals'() {
        const sum = { requests_total: 0, events_sent: 0, event_bytes: 0, connections_total: 0, refused: 0, last_request_at: 0, open: 0 };
        for (const relay of this.farm.relays()) {
            sum.requests_total += relay.record.requests_total;
            sum.events_sent += relay.record.events_sent;
            sum.event_bytes += relay.record.event_bytes;
            sum.connections_total += relay.record.connections_total;
            sum.refused += relay.record.refused;
            sum.last_request_at = Math.max(sum.last_request_at, relay.record.last_request_at);
            sum.open += relay.conns.size;
        }
        return { ...sum, now: Date.now(), connections: this.farm.open };
    }

    'POST clear'() {
        for (const host of this.farm.hosts.values())
            host.clear();
        for (const relay of this.farm.relays()) {
            relay.record = emptyRecord();
            relay.sentIds.clear();
        }
        this.farm.dns.questions = [];
    }

    'GET dns'() {
        return { questions: this.farm.dns.questions, total: this.farm.dns.total };
    }

    'POST dns'(entries) {
        for (const [name, entry] of Object.entries(entries))
            this.farm.dns.set(name, entry);
    }

    async 'POST mint'(options) {
        return { file: await this.farm.mint(options) };
    }
}

module.exports = { Control, addressOf };
