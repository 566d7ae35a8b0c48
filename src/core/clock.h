/* Time.  The monotonic clock measures waits; the wall clock dates things (UNIX time).
 *
 * Tests inject time: after clock_test_set() both clocks stand still until clock_test_advance()
 * moves them together, so a day passes in one call.  Any thread may read. */
#ifndef CORE_CLOCK_H
#define CORE_CLOCK_H

#include <stdint.h>

int64_t clock_mono_ms(void);
int64_t clock_mono_us(void);
int64_t clock_wall_ms(void);
int64_t clock_wall_s(void);

void clock_test_set(int64_t mono_ms, int64_t wall_ms);
void clock_test_advance(int64_t ms); /* after clock_test_set */
void clock_test_end(void);           /* back to the real clocks */

#endif
