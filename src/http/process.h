/* process: what Prometheus' client libraries say of the process itself, from /proc/self, and which
 * program this is. */
#ifndef HTTP_PROCESS_H
#define HTTP_PROCESS_H

#include <stdio.h>

/* Appends process_* and bigbrotr_build_info to a page in the text format.  What cannot be read is
 * left out. */
void process_metrics_print(FILE *out);

#endif
