'use strict';
/* auth: is this a valid NIP-42 answer to our challenge?  The signature is checked by nostr-tools, which is not ours. */
let verifyEvent = null;
try {
    ({ verifyEvent } = require('nostr-tools/pure'));
} catch {
    /* not installed: all but the signature is checked, and the answer says so */
}

function tagValue(event, name) {
    const tag = Array.isArray(event.tags) && event.tags.find((t) => t[0] === name);
    return tag ? String(tag[1]) : '';
}

/* '' when it is good, else why not. */
function refusal(event, challenge, host) {
    if (typeof event !== 'object' || event === null)
        return 'not an event';
    if (event.kind !== 22242)
        return 'kind is not 22242';
    if (tagValue(event, 'challenge') !== challenge)
        return 'wrong challenge';
    if (!tagValue(event, 'relay').includes(host))
        return `wrong relay ${tagValue(event, 'relay')}`;
    if (Math.abs(event.created_at - Date.now() / 1000) > 600)
        return 'created_at is not now';
    if (verifyEvent === null)
        return 'nostr-tools is not installed: run npm ci in tests/support';
    return verifyEvent(event) ? '' : 'bad signature';
}

module.exports = { refusal };
