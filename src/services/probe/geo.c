/* geo: see geo.h. */
#include "services/probe/geo.h"

#include <stdlib.h>
#include <string.h>

#include "core/str.h"

void geo_hash(double latitude, double longitude, char to[10])
{
    static const char digits[] = "0123456789bcdefghjkmnpqrstuvwxyz";
    double lo[2] = {-180, -90}, hi[2] = {180, 90};
    const double at[2] = {longitude, latitude};
    unsigned bit = 0, digit = 0;

    for (int i = 0; i < 9;) {
        unsigned axis = bit % 2;
        double middle = (lo[axis] + hi[axis]) / 2;

        digit = digit << 1 | (at[axis] >= middle);
        *(at[axis] >= middle ? &lo[axis] : &hi[axis]) = middle;
        if (++bit % 5 == 0) {
            to[i++] = digits[digit];
            digit = 0;
        }
    }
    to[9] = '\0';
}

#ifdef HAVE_MAXMINDDB

#include <maxminddb.h>

struct geo {
    MMDB_s city, asn;
    bool has_city, has_asn;
};

static int open_one(MMDB_s *db, const char *file, bool *has, struct err *err)
{
    int status;

    if (file == NULL || file[0] == '\0')
        return 0;
    status = MMDB_open(file, MMDB_MODE_MMAP, db);
    if (status != MMDB_SUCCESS)
        return err_set(err, ERR_CONFIG, "%.100s: %.60s", file, MMDB_strerror(status));
    *has = true;
    return 0;
}

struct geo *geo_open(const char *city_file, const char *asn_file, struct err *err)
{
    struct geo *g = calloc(1, sizeof(*g));

    if (g == NULL)
        abort();
    *err = (struct err){ERR_NONE, ""};
    if (open_one(&g->city, city_file, &g->has_city, err) != 0 ||
        open_one(&g->asn, asn_file, &g->has_asn, err) != 0 || (!g->has_city && !g->has_asn)) {
        geo_close(g);
        return NULL;
    }
    return g;
}

void geo_close(struct geo *g)
{
    if (g == NULL)
        return;
    if (g->has_city)
        MMDB_close(&g->city);
    if (g->has_asn)
        MMDB_close(&g->asn);
    free(g);
}

/* One value below the entry of an address; false: there is none, or of another type. */
static bool value_at(MMDB_entry_s *entry, const char *const *path, uint32_t type,
                     MMDB_entry_data_s *data)
{
    return MMDB_aget_value(entry, data, path) == MMDB_SUCCESS && data->has_data &&
           data->type == type;
}

static void take_text(MMDB_entry_s *entry, const char *const *path, char *to, size_t size)
{
    MMDB_entry_data_s data;

    if (value_at(entry, path, MMDB_DATA_TYPE_UTF8_STRING, &data))
        (void)str_escape(to, size, (struct str){data.utf8_string, data.data_size});
}

static bool is_capital(char c)
{
    return c >= 'A' && c <= 'Z';
}

/* Two capital letters, or nothing. */
static void take_country(MMDB_entry_s *entry, const char *const *path, char to[3])
{
    MMDB_entry_data_s data;

    if (value_at(entry, path, MMDB_DATA_TYPE_UTF8_STRING, &data) && data.data_size == 2 &&
        is_capital(data.utf8_string[0]) && is_capital(data.utf8_string[1]))
        memcpy(to, data.utf8_string, 2);
}

static bool find_entry(const MMDB_s *db, const char *address, MMDB_entry_s *entry)
{
    int resolve, status = MMDB_SUCCESS;
    MMDB_lookup_result_s found = MMDB_lookup_string(db, address, &resolve, &status);

    *entry = found.entry;
    return resolve == 0 && status == MMDB_SUCCESS && found.found_entry;
}

static void find_city(const MMDB_s *db, const char *address, struct geo_place *place)
{
    static const char *const country[] = {"country", "iso_code", NULL},
                             *const city[] = {"city", "names", "en", NULL},
                             *const latitude[] = {"location", "latitude", NULL},
                             *const longitude[] = {"location", "longitude", NULL};
    MMDB_entry_data_s lat, lon;
    MMDB_entry_s entry;

    if (!find_entry(db, address, &entry))
        return;
    take_country(&entry, country, place->country);
    take_text(&entry, city, place->city, sizeof(place->city));
    if (value_at(&entry, latitude, MMDB_DATA_TYPE_DOUBLE, &lat) &&
        value_at(&entry, longitude, MMDB_DATA_TYPE_DOUBLE, &lon))
        geo_hash(lat.double_value, lon.double_value, place->geohash);
}

static void find_asn(const MMDB_s *db, const char *address, struct geo_place *place)
{
    static const char *const number[] = {"autonomous_system_number", NULL},
                             *const name[] = {"autonomous_system_organization", NULL};
    MMDB_entry_data_s data;
    MMDB_entry_s entry;

    if (!find_entry(db, address, &entry))
        return;
    if (value_at(&entry, number, MMDB_DATA_TYPE_UINT32, &data))
        place->asn = data.uint32;
    take_text(&entry, name, place->as_name, sizeof(place->as_name));
}

void geo_find(const struct geo *g, const char *address, struct geo_place *place)
{
    memset(place, 0, sizeof(*place));
    if (g == NULL || address[0] == '\0')
        return;
    if (g->has_city)
        find_city(&g->city, address, place);
    if (g->has_asn)
        find_asn(&g->asn, address, place);
}

#else

struct geo *geo_open(const char *city_file, const char *asn_file, struct err *err)
{
    *err = (struct err){ERR_NONE, ""};
    if (str_z(city_file).n > 0 || str_z(asn_file).n > 0)
        (void)err_set(err, ERR_CONFIG, "this program was built without libmaxminddb");
    return NULL;
}

void geo_close(struct geo *g)
{
    (void)g; /* there is none */
}

void geo_find(const struct geo *g, const char *address, struct geo_place *place)
{
    (void)g;
    (void)address;
    memset(place, 0, sizeof(*place));
}

#endif
