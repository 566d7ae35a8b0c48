'use strict';
/* random: numbers that are the same for the same seed (mulberry32), so that a failing run can be repeated. */

class Random {
    constructor(seed) {
        this.state = (Math.imul(seed | 0, 0x9e3779b1) ^ 0x5bd1e995) | 0;
    }

    unit() {
        this.state = (this.state + 0x6d2b79f5) | 0;
        let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
        t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
        return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
    }

    below(n) {
        return Math.floor(this.unit() * n);
    }

    pick(list) {
        return list[this.below(list.length)];
    }

    shuffle(list) {
        const out = list.slice();
        for (let k = out.length; k > 1; k--) {
            const j = this.below(k);
            [out[k - 1], out[j]] = [out[j], out[k - 1]];
        }
        return out;
    }
}

module.exports = { Random };
