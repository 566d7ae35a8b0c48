'use strict';
/* store: the events of one virtual relay, and NIP-01's meaning of a filter over them.
 *
 * An event keeps its JSON as bytes, so that a page is only copied together.  Events are sorted once by (created_at descending, id
 * ascending), as NIP-01 has it; relays that do otherwise reorder the answer (quirks `order` and `ties`).  Files of events are
 * read once and shared by all relays that name them. */
const fs = require('node:fs');

const files = new Map();

function parseEvent(line, arrival) {
    const e = JSON.parse(line);
    return {
        id: e.id, pubkey: e.pubkey, created_at: e.created_at, kind: e.kind, tags: e.tags,
        json: Buffer.from(line), arrival,
    };
}

function parseEvents(text) {
    return text.split('\n').filter((line) => line.length > 0).map(parseEvent);
}

/* Events of a JSONL file; the same objects each time. */
function loadFile(path) {
    if (!files.has(path))
        files.set(path, parseEvents(fs.readFileSync(path, 'utf8')));
    return files.get(path);
}

function newestFirst(a, b) {
    return b.created_at - a.created_at || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}

function tagMatches(event, name, values) {
    return event.tags.some((tag) => tag[0] === name && values.includes(tag[1]));
}

/* Does the event match all that the filter says, but for its limit?  `ignore` names conditions that this relay does not honour. */
function matches(event, filter, ignore) {
    if (filter.ids && !filter.ids.includes(event.id))
        return false;
    if (filter.kinds && !filter.kinds.includes(event.kind))
        return false;
    if (filter.authors && !filter.authors.includes(event.pubkey))
        return false;
    if (filter.since !== undefined && !ignore.since && event.created_at < filter.since)
        return false;
    if (filter.until !== undefined && !ignore.until && event.created_at > filter.until)
        return false;
    for (const key of Object.keys(filter)) {
        if (key[0] === '#' && !tagMatches(event, key.slice(1), filter[key]))
            return false;
    }
    return true;
}

class Store {
    constructor() {
        this.events = []; /* newest first */
        this.ids = new Set();
    }

    /* Returns those that were new. */
    add(list) {
        const fresh = list.filter((e) => !this.ids.has(e.id) && this.ids.add(e.id));
        if (fresh.length > 0)
            this.events = this.events.concat(fresh).sort(newestFirst);
        return fresh;
    }

    /* The first index whose created_at is at most `t`. */
    firstAtMost(t) {
        let lo = 0;
        let hi = this.events.length;
        while (lo < hi) {
            const mid = (lo + hi) >> 1;
            if (this.events[mid].created_at > t)
                lo = mid + 1;
            else
                hi = mid;
        }
        return lo;
    }

    /* All that match, newest first, at most `max`: the scan stops there. */
    newest(filter, max, ignore = {}) {
        const out = [];
        const useUntil = filter.until !== undefined && !ignore.until;
        for (let i = useUntil ? this.firstAtMost(filter.until) : 0; i < this.events.length && out.length < max; i++) {
            const e = this.events[i];
            if (filter.since !== undefined && !ignore.since && e.created_at < filter.since)
                break;
            if (matches(e, filter, ignore))
                out.push(e);
        }
        return out;
    }
}

module.exports = { Store, loadFile, parseEvents, matches, newestFirst };
