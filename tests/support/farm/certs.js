'use strict';
/* certs: a certificate authority of the farm's own, and leaves of every kind of wrongness, made at start by openssl.
 *
 *     good         *.farm-relay.com and the addresses 127.1.0.1 to 127.1.0.32, by our authority
 *     expired      the same, valid in 2020 only             not_yet      the same, valid from 2090
 *     other_name   for elsewhere.example.org                self_signed  by nobody
 *     unknown_ca   by an authority that is not in ca.pem
 *
 * and, made when the first relay wants them, since they cost time:
 *
 *     no_names     neither a name nor an address            many_names   1,000 names
 *     too_many     10,000 names: more than a handshake may hold
 *     no_middle    the authority in between is not sent     turned       it is sent, behind one that does not belong there
 *     sha1, md5, rsa512, rsa1024   too weak                 ca_leaf      an authority's certificate as a server's
 *     rsa2048      nothing wrong with it                    rsa8192      as large as keys come
 *                  (with RSA only by tls-front.js: beside it, Node's choice by name keeps `good`, and a client may prefer that)
 *     revoked      the authority has taken it back, and it says where to read that
 *     chain7, chain9   so many authorities in between, all of them sent */
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const KINDS = ['good', 'expired', 'not_yet', 'other_name', 'self_signed', 'unknown_ca'];

function openssl(dir, args) {
    execFileSync('openssl', args, { cwd: dir, stdio: ['ignore', 'ignore', 'pipe'] });
}

function newKey(dir, name) {
    openssl(dir, ['ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', `${name}.key`]);
}

function authority(dir, name) {
    newKey(dir, name);
    openssl(dir, ['req', '-x509', '-new', '-key', `${name}.key`, '-subj', `/CN=farm ${name}`, '-days', '3650', '-out', `${name}.pem`,
        '-addext', 'basicConstraints=critical,CA:TRUE', '-addext', 'keyUsage=critical,keyCertSign,cRLSign']);
    fs.writeFileSync(path.join(dir, `${name}.cnf`), `[ca]\ndefault_ca = d\n[d]\ndatabase = ${name}.db\nnew_certs_dir = .\n` +
        `rand_serial = yes\ndefault_md = sha256\npolicy = any\ncopy_extensions = copy\nunique_subject = no\n` +
        `certificate = ${name}.pem\nprivate_key = ${name}.key\n[any]\ncommonName = supplied\n`);
    fs.writeFileSync(path.join(dir, `${name}.db`), '');
}

function leaf(dir, name, by, names, from, to, more = []) {
    newKey(dir, name);
    openssl(dir, ['req', '-new', '-key', `${name}.key`, '-subj', `/CN=${name}`, '-addext', `subjectAltName=${names}`,
        '-addext', 'basicConstraints=CA:FALSE', ...more.flatMap((e) => ['-addext', e]), '-out', `${name}.csr`]);
    openssl(dir, ['ca', '-batch', '-notext', '-config', `${by}.cnf`, '-in', `${name}.csr`, '-out', `${name}.pem`,
        '-startdate', from, '-enddate', to]);
}

const GOOD_NAMES = 'DNS:*.farm-relay.com,DNS:farm-relay.com';

function namesUpTo(n) {
    const names = [GOOD_NAMES];
    for (let i = 0; i < n; i++)
        names.push(`DNS:name${i}.of.a.farm.example.org`);
    return names.join(',');
}

function signed(dir, name, { names, rsa, by = 'ca', md = 'sha256', ca = false } = {}) {
    fs.writeFileSync(path.join(dir, `${name}.cnf`), '[req]\ndistinguished_name=d\nreq_extensions=e\nprompt=no\n' +
        `[d]\nCN=farm ${name}\n[e]\nbasicConstraints=CA:${ca ? 'TRUE' : 'FALSE'}\n${names ? `subjectAltName=${names}\n` : ''}`);
    if (rsa === 8192)
        fs.copyFileSync(path.join(__dirname, 'rsa8192.key'), path.join(dir, `${name}.key`));
    else if (rsa)
        openssl(dir, ['genrsa', '-out', `${name}.key`, String(rsa)]);
    else
        newKey(dir, name);
    openssl(dir, ['req', '-new', '-config', `${name}.cnf`, '-key', `${name}.key`, '-out', `${name}.csr`]);
    openssl(dir, ['x509', '-req', '-in', `${name}.csr`, '-CA', `${by}.pem`, '-CAkey', `${by}.key`, '-CAcreateserial', '-days', '3650',
        `-${md}`, '-copy_extensions', 'copy', '-out', `${name}.pem`]);
}

/* A leaf below so many authorities that the one in ca.pem is the end of a long way. */
function chain(dir, name, between) {
    let by = 'ca', above = Buffer.alloc(0);
    for (let i = 0; i < between; i++) {
        const next = `${name}_${i}`;
        signed(dir, next, { by, ca: true });
        above = Buffer.concat([fs.readFileSync(path.join(dir, `${next}.pem`)), above]);
        by = next;
    }
    signed(dir, name, { names: GOOD_NAMES, by });
    fs.appendFileSync(path.join(dir, `${name}.pem`), above);
}

function revoked(dir, name) {
    leaf(dir, name, 'ca', GOOD_NAMES, '20200101000000Z', '20890101000000Z', [
        'crlDistributionPoints=URI:http://crl.farm-relay.com/ca.crl', 'authorityInfoAccess=OCSP;URI:http://ocsp.farm-relay.com/']);
    openssl(dir, ['ca', '-config', 'ca.cnf', '-revoke', `${name}.pem`]);
}

const RARE = {
    revoked: (dir) => revoked(dir, 'revoked'),
    chain7: (dir) => chain(dir, 'chain7', 7),
    chain9: (dir) => chain(dir, 'chain9', 9),
    md5: (dir) => { /* there is no such signature with our authority's kind of key */
        signed(dir, 'middle_rsa', { rsa: 2048, ca: true });
        signed(dir, 'md5', { names: GOOD_NAMES, by: 'middle_rsa', md: 'md5' });
        fs.appendFileSync(path.join(dir, 'md5.pem'), fs.readFileSync(path.join(dir, 'middle_rsa.pem')));
    },
    rsa512: (dir) => signed(dir, 'rsa512', { names: GOOD_NAMES, rsa: 512 }),
    rsa2048: (dir) => signed(dir, 'rsa2048', { names: GOOD_NAMES, rsa: 2048 }),
    rsa8192: (dir) => signed(dir, 'rsa8192', { names: GOOD_NAMES, rsa: 8192 }),
    no_names: (dir) => signed(dir, 'no_names'),
    many_names: (dir) => signed(dir, 'many_names', { names: namesUpTo(1000) }),
    too_many: (dir) => signed(dir, 'too_many', { names: namesUpTo(10000) }),
    no_middle: (dir) => {
        signed(dir, 'middle', { ca: true });
        signed(dir, 'no_middle', { names: GOOD_NAMES, by: 'middle' });
    },
    turned: (dir) => {
        const read = (name) => fs.readFileSync(path.join(dir, name));
        signed(dir, 'middle2', { ca: true });
        signed(dir, 'below', { names: GOOD_NAMES, by: 'middle2' });
        fs.writeFileSync(path.join(dir, 'turned.pem'), Buffer.concat([read('below.pem'), read('stranger.pem'), read('middle2.pem')]));
        fs.copyFileSync(path.join(dir, 'below.key'), path.join(dir, 'turned.key'));
    },
    sha1: (dir) => signed(dir, 'sha1', { names: GOOD_NAMES, md: 'sha1' }),
    rsa1024: (dir) => signed(dir, 'rsa1024', { names: GOOD_NAMES, rsa: 1024 }),
    ca_leaf: (dir) => signed(dir, 'ca_leaf', { names: GOOD_NAMES, ca: true }),
};

/* One of the kinds that are made when they are asked for. */
function rareCertificate(dir, kind) {
    if (!fs.existsSync(path.join(dir, `${kind}.done`))) {
        RARE[kind](dir);
        fs.writeFileSync(path.join(dir, `${kind}.done`), '');
    }
    return { key: fs.readFileSync(path.join(dir, `${kind}.key`)), cert: fs.readFileSync(path.join(dir, `${kind}.pem`)) };
}

/* Makes all of them in `dir`, unless they are there.  Returns { ca, kinds: { good: { key, cert }, .. } }. */
function makeCertificates(dir) {
    const good = ['DNS:*.farm-relay.com', 'DNS:farm-relay.com'];
    for (let i = 1; i <= 32; i++)
        good.push(`IP:127.1.0.${i}`);
    const names = good.join(',');
    if (!fs.existsSync(path.join(dir, 'done'))) {
        fs.mkdirSync(dir, { recursive: true });
        authority(dir, 'ca');
        authority(dir, 'stranger');
        leaf(dir, 'good', 'ca', names, '20200101000000Z', '20890101000000Z');
        leaf(dir, 'expired', 'ca', names, '20200101000000Z', '20200201000000Z');
        leaf(dir, 'not_yet', 'ca', names, '20900101000000Z', '20910101000000Z');
        leaf(dir, 'other_name', 'ca', 'DNS:elsewhere.example.org', '20200101000000Z', '20890101000000Z');
        leaf(dir, 'unknown_ca', 'stranger', names, '20200101000000Z', '20890101000000Z');
        newKey(dir, 'self_signed');
        openssl(dir, ['req', '-x509', '-new', '-key', 'self_signed.key', '-subj', '/CN=self', '-days', '3650', '-addext',
            `subjectAltName=${names}`, '-out', 'self_signed.pem']);
        fs.writeFileSync(path.join(dir, 'done'), '');
    }
    const kinds = {};
    for (const kind of KINDS) {
        kinds[kind] = {
            key: fs.readFileSync(path.join(dir, `${kind}.key`)),
            cert: fs.readFileSync(path.join(dir, `${kind}.pem`)),
        };
    }
    return { ca: path.join(dir, 'ca.pem'), kinds };
}

module.exports = { makeCertificates, rareCertificate, KINDS };
