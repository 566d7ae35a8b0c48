'use strict';
/* relay: one virtual relay: NIP-01 done exactly, and every way of doing it wrong that was seen in the wild.
 *
 * A profile is a flat object; what it does not name is done properly.  The control port changes it while the relay is in use.
 *
 *   what is held     cap (most events in a page), order newest|oldest|shuffled|random, ties id|arrival|arrival_desc,
 *                    hidden_kinds + hides after_limit|before_limit, sends_auth
 *   filters          ignores_limit, ignores_until, ignores_since, until_le0_ignored, empty_filter_nothing, eose_only, scraper,
 *                    oldest_without_limit
 *   the end          eose never|no_sub|object|hints|twice (eose_p: how often), after_eose (events sent behind it), reply_delay_ms
 *   noise            duplicates, outside, wrong_sub, invalid_sig, invalid_id (rates); after_close (events), closed_on_close, garbage,
 *                    binary, ping_flood, depth_bomb (counts at each REQ), huge {bytes}, bad_utf8, fragment (pieces of a message)
 *   refusals         refuse {every, first, live (what asks for one event), via closed|notice, text, hangup},
 *                    rate_limit {per_second, burst, via}, max_subs, auth "required", nip77 notice|silent|closed|yes,
 *                    counting notice|silent|closed|hangup|lies|triples|about (COUNT: says nothing or not the truth), search closed|notice|works
 *   writing          write {ok, text, via silent|drop, auth, pow, protects}; without it all is refused: read only
 *   over HTTP        http and upgrade may be a script (script.js); nip11 is another document
 *   the connection   upgrade {status, headers, body} or silent|reset|wrong_accept|endless, fail {p, first}, down,
 *                    cut {after, how reset|close|stall|half, times}, drip {bytes, ms}, no_pong, close_after_ms
 *
 * Record: what was asked and sent, in `record`; for a host (an address, which may carry several relays by path) in host.js. */
const crypto = require('node:crypto');
const { Store, loadFile, matches } = require('./store.js');
const { frame, frameHeader, fragmented, OP } = require('./ws.js');
const { Random } = require('./random.js');
const auth = require('./auth.js');

const LIST_MAX = 20000; /* requests and connections that a record keeps one by one; totals go on */
const PIECE = 256 * 1024;

function emptyRecord() {
    return {
        requests_total: 0, events_sent: 0, event_bytes: 0, eoses: 0, closes: 0, refused: 0, connections_total: 0,
        bad_messages: [], counts: 0, writes: [], neg_opens: 0, auths: [], requests: [], connections: [], last_request_at: 0,
        sent_ids_repeated: 0,
    };
}

class Relay {
    constructor(profile) {
        this.profile = { cap: 500, order: 'newest', ties: 'id', ...profile };
        this.store = new Store();
        this.insertedAt = new Map(); /* id -> ms, for events that came after the start */
        this.random = new Random(this.profile.seed || this.profile.n);
        this.record = emptyRecord();
        this.conns = new Set();
        this.cutsDone = 0;
        this.failsDone = 0;
        this.sentIds = new Set();
        for (const part of this.profile.data || [])
            this.addFile(part);
    }

    addFile(part) {
        const random = new Random(part.seed || 1);
        const share = part.share === undefined ? 1 : part.share;
        this.store.add(loadFile(part.file).filter(() => share >= 1 || random.unit() < share));
    }

    /* Events that arrive while we are in use: stored, and pushed to open subscriptions. */
    publish(events) {
        const fresh = this.store.add(events);
        const now = Date.now();
        for (const e of fresh) {
            this.insertedAt.set(e.id, now);
            if (!this.profile.no_live)
                this.push(e);
        }
        return fresh.length;
    }

    push(e) {
        if (this.hides(e))
            return;
        for (const conn of this.conns) {
            for (const [sub, filters] of conn.subs) {
                if (filters.some((f) => matches(e, f, this.ignored(f))))
                    this.sendEvents(conn, sub, [e]);
            }
        }
    }

    hides(e) {
        return (this.profile.hidden_kinds || []).includes(e.kind);
    }

    /* What a plain client that asks properly would get, sooner or later. */
    servable() {
        const p = this.profile;
        if (p.eose_only || (p.auth === 'required' && !p.auth_open))
            return [];
        return this.store.events.filter((e) => !this.hides(e))
            .map((e) => [e.id, e.created_at, e.kind, this.insertedAt.get(e.id) || 0]);
    }

    /* --- connections (called by host.js) --- */

    opened(conn) {
        const p = this.profile;
        conn.subs = new Map();
        conn.sent = 0;
        conn.authed = false;
        conn.tokens = p.rate_limit ? p.rate_limit.burst : 0;
        conn.tokensAt = Date.now();
        conn.answersPings = !p.no_pong;
        conn.drip = p.drip || null;
        conn.challenge = crypto.randomBytes(8).toString('hex');
        this.conns.add(conn);
        this.record.connections_total++;
        conn.entry = {
            at: Date.now(), ended: 0, agent: conn.head.headers['user-agent'] || '', host: conn.head.headers.host || '',
            path: conn.head.path, requests: 0,
        };
        if (this.record.connections.length < LIST_MAX)
            this.record.connections.push(conn.entry);
        if (p.sends_auth || p.auth === 'required')
            conn.text(JSON.stringify(['AUTH', conn.challenge]));
        if (p.notice_on_connect)
            conn.text(JSON.stringify(['NOTICE', p.notice_on_connect]));
        if (p.close_after_ms)
            setTimeout(() => conn.reset(), p.close_after_ms).unref();
    }

    closed(conn) {
        this.conns.delete(conn);
        conn.entry.ended = Date.now();
    }

    /* --- messages --- */

    message(conn, text) {
        let m;
        try {
            m = JSON.parse(text);
        } catch {
            m = null;
        }
        if (!Array.isArray(m)) {
            this.record.bad_messages.push(text.slice(0, 500));
            conn.text('["NOTICE","error: could not parse message"]');
            return;
        }
        switch (m[0]) {
        case 'REQ': this.request(conn, m[1], m.slice(2)); break;
        case 'CLOSE': this.closeSubscription(conn, m[1]); break;
        case 'AUTH': this.authenticate(conn, m[1]); break;
        case 'COUNT': this.count(conn, m[1], m.slice(2)); break;
        case 'NEG-OPEN': this.negotiate(conn, m[1]); break;
        case 'NEG-CLOSE': case 'NEG-MSG': break;
        case 'EVENT': this.written(conn, m[1]); break;
        default:
            this.record.bad_messages.push(text.slice(0, 500));
            conn.text('["NOTICE","error: unknown message"]');
        }
    }

    request(conn, sub, filters) {
        const entry = { at: Date.now(), sub, filters, sent: 0, end: '' };
        this.record.requests_total++;
        this.record.last_request_at = entry.at;
        conn.entry.requests++;
        if (this.record.requests.length < LIST_MAX)
            this.record.requests.push(entry);
        if (typeof sub !== 'string' || sub.length < 1 || sub.length > 64) {
            this.refuse(conn, String(sub), entry, 'closed', 'invalid: subscription id');
            return;
        }
        const refusal = this.refusal(conn, sub, filters);
        if (refusal !== null) {
            this.refuse(conn, sub, entry, refusal.via, refusal.text);
            if (refusal.hangup)
                conn.close(1000);
            return;
        }
        if (this.profile.search && filters[0] && filters[0].search !== undefined) {
            this.search(conn, sub, filters[0].search, entry);
            return;
        }
        conn.subs.set(sub, filters);
        conn.host.subscriptionOpened(conn, sub);
        const delay = this.profile.reply_delay_ms || 0;
        if (delay > 0)
            setTimeout(() => conn.dead || this.reply(conn, sub, filters, entry), delay);
        else
            this.reply(conn, sub, filters, entry);
    }

    /* Without this habit `search` is not known, and the rest of the filter is answered. */
    search(conn, sub, words, entry) {
        const how = this.profile.search;
        if (how !== 'works') {
            this.refuse(conn, sub, entry, how, 'unsupported: search');
            return;
        }
        const found = this.store.events.filter((e) => e.kind === 1 && JSON.parse(e.json).content.toLowerCase().includes(words));
        this.sendEvents(conn, sub, found.slice(0, 3), [{}]);
        this.sendEose(conn, sub, true, entry);
    }

    refusal(conn, sub, filters) {
        const p = this.profile;
        if (p.auth === 'required' && !conn.authed)
            return { via: p.auth_via || 'closed', text: 'auth-required: we only serve those we know' };
        const r = p.refuse;
        if (r && (this.record.requests_total <= (r.first || 0) ||
            (r.every && this.record.requests_total % r.every === 0) || (r.live && filters.every((f) => f.limit === 1))))
            return { via: r.via || 'closed', text: r.text || 'error: could not answer', hangup: r.hangup };
        if (p.rate_limit) {
            const now = Date.now();
            conn.tokens = Math.min(p.rate_limit.burst, conn.tokens + (now - conn.tokensAt) / 1000 * p.rate_limit.per_second);
            conn.tokensAt = now;
            if (conn.tokens < 1)
                return { via: p.rate_limit.via || 'closed', text: 'rate-limited: slow down' };
            conn.tokens--;
        }
        if (p.max_subs && !conn.subs.has(sub) && conn.subs.size >= p.max_subs)
            return { via: p.max_subs_via || 'notice', text: 'ERROR: too many concurrent REQs' };
        return null;
    }

    refuse(conn, sub, entry, via, text) {
        entry.end = 'refused';
        this.record.refused++;
        conn.text(JSON.stringify(via === 'notice' ? ['NOTICE', text] : ['CLOSED', sub, text]));
    }

    reply(conn, sub, filters, entry) {
        const p = this.profile;
        this.noise(conn);
        const found = this.answer(filters);
        const late = p.after_eose ? Math.min(p.after_eose, found.events.length) : 0;
        const first = late > 0 ? found.events.slice(0, found.events.length - late) : found.events;
        entry.sent = found.events.length;
        this.sendEvents(conn, sub, first, filters);
        if (p.huge)
            conn.text(`["EVENT",${JSON.stringify(sub)},{"content":"${'x'.repeat(p.huge.bytes)}"}]`);
        this.sendEose(conn, sub, found.complete, entry);
        if (late > 0)
            this.sendEvents(conn, sub, found.events.slice(found.events.length - late), filters);
    }

    sendEose(conn, sub, complete, entry) {
        const form = this.profile.eose_p === undefined || this.random.unit() < this.profile.eose_p ? this.profile.eose : undefined;
        entry.end = form === 'never' ? 'silence' : 'eose';
        if (form === 'never')
            return;
        this.record.eoses++;
        if (form === 'no_sub')
            conn.text('["EOSE"]');
        else if (form === 'object')
            conn.text(JSON.stringify(['EOSE', sub, { note: 'not an array' }]));
        else if (form === 'hints')
            conn.text(JSON.stringify(['EOSE', sub, [complete ? 'finish' : 'more']]));
        else
            conn.text(JSON.stringify(['EOSE', sub]));
        if (form === 'twice')
            conn.text(JSON.stringify(['EOSE', sub]));
    }

    /* Things between the messages of the protocol, at each request. */
    noise(conn) {
        const p = this.profile;
        for (let i = 0; i < (p.garbage || 0); i++)
            conn.text(['{', '["FOO","bar"]', 'not json', '[]', '["EVENT"]', '[1,2'][i % 6]);
        for (let i = 0; i < (p.binary || 0); i++)
            conn.send(frame(Buffer.from([0, 1, 2, 255]), OP.BINARY));
        for (let i = 0; i < (p.ping_flood || 0); i++)
            conn.send(frame('flood', OP.PING));
        if (p.depth_bomb)
            conn.text('["EVENT","x",' + '['.repeat(p.depth_bomb) + ']'.repeat(p.depth_bomb) + ']');
        if (p.bad_utf8)
            conn.send(frame(Buffer.from([0x5b, 0x22, 0xff, 0xfe, 0xc0, 0x80, 0x22, 0x5d])));
    }

    closeSubscription(conn, sub) {
        this.record.closes++;
        const filters = conn.subs.get(sub);
        conn.subs.delete(sub);
        conn.host.subscriptionClosed(conn, sub);
        if (this.profile.after_close && filters)
            this.sendEvents(conn, sub, this.store.events.filter((e) => !this.hides(e)).slice(0, this.profile.after_close));
        if (this.profile.closed_on_close)
            conn.text(JSON.stringify(['CLOSED', sub, '']));
    }

    authenticate(conn, event) {
        const why = auth.refusal(event, conn.challenge, conn.head.headers.host || '');
        this.record.auths.push({ at: Date.now(), pubkey: event && event.pubkey, refused: why });
        conn.authed = why === '';
        conn.text(JSON.stringify(['OK', (event && event.id) || '', conn.authed, why === '' ? '' : `invalid: ${why}`]));
    }

    written(conn, event) {
        const w = this.profile.write || { ok: false, text: 'blocked: read only' };
        const say = (ok, text) => conn.text(JSON.stringify(['OK', (event && event.id) || '', ok, text]));
        this.record.writes.push(event);
        if (w.via === 'silent')
            return;
        if (w.via === 'drop')
            conn.reset();
        else if (w.auth && !conn.authed)
            say(false, 'auth-required: we only take from those we know');
        else if (w.protects && event.tags.some((t) => t[0] === '-'))
            say(false, 'auth-required: this event may only be published by its author');
        else if (w.pow && BigInt(`0x${event.id}`) >> BigInt(256 - w.pow) !== 0n)
            say(false, `pow: ${w.pow} bits needed`);
        else
            say(w.ok !== false, w.text || '');
    }

    count(conn, id, filters) {
        this.record.counts++;
        const how = this.profile.counting;
        if (how === 'notice')
            conn.text('["NOTICE","ERROR: bad msg: unknown cmd"]');
        else if (how === 'closed')
            conn.text(JSON.stringify(['CLOSED', id, 'unsupported: counting']));
        else if (how === 'hangup')
            conn.reset();
        const n = this.store.newest(filters[0] || {}, Infinity).length;
        if (how === 'lies')
            conn.text(JSON.stringify(['COUNT', id, { count: 1000000 + n }]));
        else if (how === 'triples')
            conn.text(JSON.stringify(['COUNT', id, { count: 3 * n }]));
        else if (how === 'about')
            conn.text(JSON.stringify(['COUNT', id, { count: Math.round(n * 1.1), approximate: true }]));
        else if (!how)
            conn.text(JSON.stringify(['COUNT', id, { count: n }]));
    }

    negotiate(conn, sub) {
        this.record.neg_opens++;
        const how = this.profile.nip77 || 'notice';
        if (how === 'yes')
            conn.text(JSON.stringify(['NEG-MSG', sub, '6100000200']));
        else if (how === 'notice')
            conn.text('["NOTICE","ERROR: negentropy disabled"]');
        else if (how === 'closed')
            conn.text(JSON.stringify(['CLOSED', sub, 'unsupported: negentropy']));
    }

    /* --- which events answer a request --- */

    ignored(filter) {
        const p = this.profile;
        return {
            until: p.ignores_until || (p.until_le0_ignored && filter.until !== undefined && filter.until <= 0),
            since: p.ignores_since,
        };
    }

    answer(filters) {
        const seen = new Set();
        const events = [];
        let complete = true;
        for (const f of filters) {
            const part = this.answerOne(f);
            complete = complete && part.complete;
            events.push(...part.events.filter((e) => !seen.has(e.id) && seen.add(e.id)));
        }
        return { events, complete };
    }

    answerOne(filter) {
        const p = this.profile;
        const keys = Object.keys(filter).filter((k) => k !== 'limit');
        const tags = keys.some((k) => k[0] === '#');
        const weight = (filter.ids ? 2 : 0) + (filter.authors ? 1 : 0) + (filter.kinds ? 1 : 0) + (tags ? 1 : 0);
        if (p.eose_only || (p.empty_filter_nothing && keys.length === 0) || (p.scraper && weight < 2))
            return { events: [], complete: true };
        const asked = filter.limit === undefined ? p.cap : filter.limit;
        const n = p.ignores_limit ? Math.max(asked * (p.excess || 3), p.cap) : Math.min(asked, p.cap);
        let pool = this.select(filter, n);
        const complete = pool.length < n;
        if (p.hides !== 'before_limit')
            pool = pool.filter((e) => !this.hides(e));
        return { events: pool, complete };
    }

    select(filter, n) {
        const p = this.profile;
        const ignore = this.ignored(filter);
        const clean = p.hides === 'before_limit' ? (list) => list.filter((e) => !this.hides(e)) : (list) => list;
        const oldest = p.order === 'oldest' || (p.oldest_without_limit && filter.limit === undefined);
        if (oldest || p.order === 'random' || p.hides === 'before_limit') {
            const all = clean(this.store.newest(filter, Infinity, ignore));
            if (oldest)
                return all.reverse().slice(0, n);
            return p.order === 'random' ? this.random.shuffle(all).slice(0, n) : all.slice(0, n);
        }
        if (p.ties === 'id') {
            const page = this.store.newest(filter, n, ignore);
            return p.order === 'shuffled' ? this.random.shuffle(page) : page;
        }
        return this.selectByArrival(filter, n, ignore);
    }

    /* Inside one second by arrival: the last second of the page must be known whole before it is cut. */
    selectByArrival(filter, n, ignore) {
        let page = this.store.newest(filter, n, ignore);
        if (page.length === n && n > 0) {
            const last = page[n - 1].created_at;
            const second = this.store.newest({ ...filter, since: last, until: last }, Infinity, ignore);
            page = page.filter((e) => e.created_at !== last).concat(second);
        }
        const sign = this.profile.ties === 'arrival_desc' ? -1 : 1;
        page.sort((a, b) => b.created_at - a.created_at || sign * (a.arrival - b.arrival));
        page = page.slice(0, n);
        return this.profile.order === 'shuffled' ? this.random.shuffle(page) : page;
    }

    /* --- sending events --- */

    counted(e, bytes) {
        this.record.events_sent++;
        this.record.event_bytes += bytes;
        if (this.sentIds.has(e.id))
            this.record.sent_ids_repeated++;
        else
            this.sentIds.add(e.id);
    }

    sendEvents(conn, sub, events, filters) {
        if (events.length === 0 || conn.dead || conn.silent)
            return;
        const p = this.profile;
        const prefix = Buffer.from(`["EVENT",${JSON.stringify(sub)},`);
        if (p.cut || p.duplicates || p.outside || p.wrong_sub || p.invalid_sig || p.invalid_id || p.fragment)
            this.sendSlowly(conn, prefix, events, filters || [{}]);
        else
            this.sendFast(conn, prefix, events);
    }

    /* The way of an ordinary relay: pages are copied together into large buffers. */
    sendFast(conn, prefix, events) {
        let at = 0;
        while (at < events.length) {
            let end = at;
            let bytes = 0;
            while (end < events.length && (end === at || bytes < PIECE)) {
                const payload = prefix.length + events[end].json.length + 1;
                bytes += payload + (payload < 126 ? 2 : payload < 65536 ? 4 : 10);
                end++;
            }
            const out = Buffer.allocUnsafe(bytes);
            let o = 0;
            for (; at < end; at++) {
                const payload = prefix.length + events[at].json.length + 1;
                o += frameHeader(payload, OP.TEXT).copy(out, o);
                o += prefix.copy(out, o);
                o += events[at].json.copy(out, o);
                out[o++] = 0x5d;
                this.counted(events[at], payload);
            }
            conn.send(out);
        }
    }

    sendSlowly(conn, prefix, events, filters) {
        const p = this.profile;
        const stray = (rate) => rate && this.random.unit() < rate;
        for (const e of events) {
            if (stray(p.invalid_sig))
                this.sendOne(conn, prefix, e, spoiled(e, '"sig":"'));
            if (stray(p.invalid_id))
                this.sendOne(conn, prefix, e, spoiled(e, '"id":"'));
            if (stray(p.outside)) {
                const other = this.random.pick(this.store.events);
                if (!this.hides(other) && !filters.some((f) => matches(other, f, {})))
                    this.sendOne(conn, prefix, other, other.json);
            }
            if (stray(p.wrong_sub))
                this.sendOne(conn, Buffer.from('["EVENT","nobody",'), e, e.json);
            this.sendOne(conn, prefix, e, e.json);
            if (stray(p.duplicates))
                this.sendOne(conn, prefix, e, e.json);
            if (conn.dead || conn.silent)
                return;
        }
    }

    sendOne(conn, prefix, e, json) {
        if (conn.dead || conn.silent)
            return;
        const p = this.profile;
        const payload = Buffer.concat([prefix, json, Buffer.from(']')]);
        if (p.cut && conn.sent >= p.cut.after && (!p.cut.times || this.cutsDone < p.cut.times)) {
            this.cutsDone++;
            this.cut(conn, payload);
            return;
        }
        conn.sent++;
        this.counted(e, payload.length);
        conn.send(p.fragment ? fragmented(payload, p.fragment, conn.sent % 100 === 1) : frame(payload));
    }

    cut(conn, payload) {
        const how = this.profile.cut.how;
        if (how === 'half')
            conn.send(frame(payload).subarray(0, payload.length >> 1));
        if (how === 'close')
            conn.close(1001);
        else if (how === 'half')
            setTimeout(() => conn.reset(), 20);
        else if (how === 'reset')
            conn.reset();
        conn.silent = true;
    }
}

/* The event with one hex digit of its id or signature changed. */
function spoiled(e, field) {
    const copy = Buffer.from(e.json);
    const at = copy.indexOf(field) + field.length + 10;
    copy[at] = copy[at] === 0x30 ? 0x31 : 0x30;
    return copy;
}

module.exports = { Relay, emptyRecord, LIST_MAX };
