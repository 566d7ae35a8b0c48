/* See tls_text.h. */
#include "net/tls_text.h"

#include <stdbool.h>
#include <stdio.h>

const char *tls_alert_name(unsigned alert)
{
    static const char *const names[] = {
        [10] = "unexpected_message",     [20] = "bad_record_mac",
        [22] = "record_overflow",        [40] = "handshake_failure",
        [42] = "bad_certificate",        [43] = "unsupported_certificate",
        [47] = "illegal_parameter",      [48] = "unknown_ca",
        [49] = "access_denied",          [50] = "decode_error",
        [51] = "decrypt_error",          [70] = "protocol_version",
        [71] = "insufficient_security",  [80] = "internal_error",
        [90] = "user_canceled",          [109] = "missing_extension",
        [110] = "unsupported_extension", [112] = "unrecognized_name",
        [116] = "certificate_required",  [120] = "no_application_protocol",
    };

    return alert < sizeof(names) / sizeof(names[0]) && names[alert] != NULL ? names[alert] : "";
}

void tls_put_name(char *to, size_t size, const char *kind, const unsigned char *p, size_t n)
{
    size_t at = (size_t)snprintf(to, size, "%s", kind);

    for (size_t i = 0; i < n && at + 5 < size; i++) {
        bool plain = p[i] > ' ' && p[i] < 0x7f && p[i] != '\\';

        at += (size_t)snprintf(to + at, size - at, plain ? "%c" : "\\x%02x", (unsigned)p[i]);
    }
}
