/* A stand-in for AMD's libamd_smi.so, for tests on machines without an AMD GPU. The Python package amdsmi is the real
 * one; the functions that it binds and wattleak does not use are made by the test, as stubs that say "not supported".
 *
 * What it shows is read at every call from the text file named in $FAKE_AMDSMI, lines of "key value":
 *     init 0                       what amdsmi_init returns (an amdsmi_status_t)
 *     count 2                      processors
 *     gpu0.energy 1000             steps of the accumulator, 15.3 uJ each; without the line, "not supported"
 *     gpu0.watts 200               the accumulator grows at this rate from there
 *     gpu0.power 95                current_socket_power; gpu0.average 90: average_socket_power
 *     gpu0.bus 65, gpu0.function 1 PCI address
 *     gpu0.busy 70                 gfx_activity in percent; without the line, "not supported"
 *     gpu0.users 11:5000,22:0      processes and their nanoseconds on the engine; without the line, "not supported"
 * Signatures and structures are those of the public header amdsmi.h of ROCm 7.0.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SUCCESS = 0, NOT_SUPPORTED = 2, NOT_FOUND = 31 };

typedef struct { int index; } Device;
typedef struct {
    uint64_t socket_power;
    uint32_t current_socket_power, average_socket_power;
    uint64_t gfx_voltage, soc_voltage, mem_voltage;
    uint32_t power_limit;
    uint64_t reserved[18];
} Power;
typedef struct { uint32_t gfx, umc, mm, reserved[13]; } Activity;
typedef struct {
    char name[256];
    uint32_t pid;
    uint64_t mem;
    struct { uint64_t gfx, enc; uint32_t reserved[12]; } engine;
    struct { uint64_t gtt, cpu, vram; uint32_t reserved[10]; } memory;
    char container[256];
    uint32_t occupancy, reserved[11];
} Process;
typedef struct {
    char market_name[256];
    uint32_t vendor_id;
    char vendor_name[256];
    uint32_t subvendor_id;
    uint64_t device_id;
    uint32_t rev_id;
    char asic_serial[256];
    uint32_t oam_id, compute_units;
    uint64_t graphics_version;
    uint32_t subsystem_id, reserved[21];
} Asic;
typedef struct { uint64_t function : 3, device : 5, bus : 8, domain : 48; } Address;

static Device devices[16];

static int look_up(const char *key, char *value, size_t size)
{
    char line[256], name[64];
    const char *path = getenv("FAKE_AMDSMI");
    FILE *file = path ? fopen(path, "r") : NULL;
    int found = 0;
    while (file && !found && fgets(line, sizeof line, file)) {
        char text[192];
        if (sscanf(line, "%63s %191s", name, text) == 2 && strcmp(name, key) == 0) {
            snprintf(value, size, "%s", text);
            found = 1;
        }
    }
    if (file)
        fclose(file);
    return found;
}

static int of_device(const Device *device, const char *what, uint64_t *value)
{
    char key[64], text[192];
    snprintf(key, sizeof key, "gpu%d.%s", device->index, what);
    if (!look_up(key, text, sizeof text))
        return 0;
    *value = strtoull(text, NULL, 10);
    return 1;
}

int amdsmi_init(uint64_t flags)
{
    char text[192];
    (void)flags;
    return look_up("init", text, sizeof text) ? atoi(text) : SUCCESS;
}

int amdsmi_shut_down(void) { return SUCCESS; }

int amdsmi_get_socket_handles(uint32_t *count, void **sockets)
{
    char text[192];
    uint32_t there = look_up("count", text, sizeof text) ? (uint32_t)atoi(text) : 0;
    for (uint32_t index = 0; sockets && index < there; index++) {
        devices[index].index = (int)index;
        sockets[index] = &devices[index];
    }
    *count = there;
    return SUCCESS;
}

int amdsmi_get_processor_handles(void *socket, uint32_t *count, void **processors)
{
    *count = 1;
    if (processors)
        processors[0] = socket;
    return SUCCESS;
}

int amdsmi_get_gpu_device_bdf(Device *device, Address *address)
{
    uint64_t value;
    memset(address, 0, sizeof *address);
    address->bus = of_device(device, "bus", &value) ? value : 65u + (unsigned)device->index;
    address->function = of_device(device, "function", &value) ? value : 0;
    return SUCCESS;
}

int amdsmi_get_gpu_asic_info(Device *device, Asic *asic)
{
    memset(asic, 0, sizeof *asic);
    snprintf(asic->market_name, sizeof asic->market_name, "AMD Instinct Stand-in %d", device->index);
    snprintf(asic->asic_serial, sizeof asic->asic_serial, "0xABC%d", device->index);
    asic->vendor_id = 0x1002;
    return SUCCESS;
}

int amdsmi_get_energy_count(Device *device, uint64_t *steps, float *microjoules, uint64_t *timestamp)
{
    uint64_t watts = 0;
    struct timespec now;
    if (!of_device(device, "energy", steps))
        return NOT_SUPPORTED;
    clock_gettime(CLOCK_MONOTONIC, &now);
    of_device(device, "watts", &watts);
    *timestamp = now.tv_sec * 1000000000ull + now.tv_nsec;
    *microjoules = 15.3f;
    *steps += (uint64_t)((double)watts * (now.tv_sec * 1e6 + now.tv_nsec / 1000000 * 1e3) / 15.3); /* once a millisecond */
    return SUCCESS;
}

int amdsmi_get_power_info(Device *device, Power *power)
{
    uint64_t value;
    memset(power, 0xFF, sizeof *power); /* "unsupported struct members are set to UINT32_MAX" */
    if (of_device(device, "power", &value))
        power->current_socket_power = (uint32_t)value;
    if (of_device(device, "average", &value))
        power->average_socket_power = (uint32_t)value;
    return SUCCESS;
}

int amdsmi_get_gpu_activity(Device *device, Activity *activity)
{
    uint64_t value;
    if (!of_device(device, "busy", &value))
        return NOT_SUPPORTED;
    memset(activity, 0, sizeof *activity);
    activity->gfx = (uint32_t)value;
    return SUCCESS;
}

int amdsmi_get_gpu_process_list(Device *device, uint32_t *count, Process *processes)
{
    char key[64], text[192];
    uint32_t seen = 0;
    snprintf(key, sizeof key, "gpu%d.users", device->index);
    if (!look_up(key, text, sizeof text))
        return NOT_SUPPORTED;
    for (char *entry = strtok(text, ","); entry && seen < *count; entry = strtok(NULL, ",")) {
        unsigned pid;
        unsigned long long used;
        if (sscanf(entry, "%u:%llu", &pid, &used) != 2)
            continue;
        memset(&processes[seen], 0, sizeof processes[seen]);
        processes[seen].pid = pid;
        processes[seen].engine.gfx = used;
        seen++;
    }
    *count = seen;
    return SUCCESS;
}
