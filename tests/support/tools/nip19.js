#!/usr/bin/env node
'use strict';
/* NIP-19 by nostr-tools: `nip19.js encode FORM JSON` prints the text, `nip19.js decode TEXT` its parts as JSON.  Keys are hexadecimal. */
const { nip19 } = require('nostr-tools');

const [verb, ...words] = process.argv.slice(2);
if (verb === 'encode')
    console.log(nip19[`${words[0]}Encode`](JSON.parse(words[1])));
else
    console.log(JSON.stringify(nip19.decode(words[0])));
