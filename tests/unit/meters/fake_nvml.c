/* A stand-in for NVIDIA's libnvidia-ml.so.1, for tests on machines without a GPU.
 *
 * What it shows is read at every call from the text file named in $FAKE_NVML, lines of "key value":
 *     init 0                       what nvmlInitWithFlags returns (an nvmlReturn_t)
 *     count 2                      devices
 *     gpu0.energy 123456           millijoules; without the line, "not supported"
 *     gpu0.power 70000             milliwatts; the same
 *     gpu0.mig 1, gpu0.vgpu 1      MIG is on; the device is a vGPU
 *     gpu0.pids 11,22              processes that hold it
 *     gpu0.busy 80                 percent of the time in which it worked; without the line, "not supported"
 *     gpu0.samples 1000:50,2000:90 the same, by time stamp in microseconds; without the line, "not supported"
 *     gpu0.use 11:60,22:20         percent by process, "not found" for `none`; without the line, "not supported"
 *     gpu0.use_at 1000             time stamp of those, in microseconds; without the line, now
 *     gpu0.name H100-PCIe          what it is called, after "NVIDIA "; without the line, "Stand-in 0"
 *     gpu0.architecture 7          an nvmlDeviceArchitecture_t; without the line, "not supported"
 *     gpu0.handle 4                what asking for its handle returns
 *     gpu0.limit 700000            power limit in milliwatts, 100 W to 700 W; without the line, "not supported".
 *                                  What is set is kept in the file $FAKE_NVML.gpu0.limit, and holds from then on
 *     gpu0.highest 1980            highest clock in MHz, in steps of 15 down to 210; without the line, "not supported".
 *                                  What it is locked to is kept in the file $FAKE_NVML.gpu0.lock: "1410 1410", or empty
 *     gpu0.clocks 1000:1410        its clock in MHz by time stamp in microseconds; without the line, "not supported"
 *     set 4                        what setting a limit or a clock returns
 *     gpu0.memory 80000            MiB; without the line, "not supported" to this and to what other tools ask besides
 *                                  (temperature, power limit, compute mode, power now): they stop at the first refusal
 * Signatures are those of the public header nvml.h (API version 12).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SUCCESS = 0, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, INSUFFICIENT_SIZE = 7 };

typedef struct { int index; } Device;
typedef struct {
    char legacy[16];
    unsigned domain, bus, device, id, subsystem;
    char address[32];
} Pci;
typedef struct { unsigned gpu, memory; } Utilization;
typedef struct { unsigned long long time, value; } Sample;
typedef struct { unsigned pid; unsigned long long time; unsigned sm, memory, encoder, decoder; } Use;
typedef struct { unsigned pid; unsigned long long memory; unsigned gpu_instance, compute_instance; } Process;

static Device devices[8];

static int look_up(const char *key, char *value, size_t size)
{
    char line[256], name[64];
    const char *path = getenv("FAKE_NVML");
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

static int number(const char *key, unsigned long long *value)
{
    char text[192];
    if (!look_up(key, text, sizeof text))
        return 0;
    *value = strtoull(text, NULL, 10);
    return 1;
}

static int of_device(const Device *device, const char *what, unsigned long long *value)
{
    char key[64];
    snprintf(key, sizeof key, "gpu%d.%s", device->index, what);
    return number(key, value);
}

int nvmlInitWithFlags(unsigned flags)
{
    unsigned long long code = 0;
    (void)flags;
    number("init", &code);
    return (int)code;
}

int nvmlShutdown(void) { return SUCCESS; }

const char *nvmlErrorString(int code)
{
    (void)code;
    return "said by the stand-in";
}

int nvmlDeviceGetCount_v2(unsigned *count)
{
    unsigned long long value = 0;
    number("count", &value);
    *count = (unsigned)value;
    return SUCCESS;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, Device **device)
{
    unsigned long long code = 0;
    devices[index].index = (int)index;
    *device = &devices[index];
    of_device(*device, "handle", &code);
    return (int)code;
}

int nvmlDeviceGetHandleByUUID(const char *uuid, Device **device)
{
    int index;
    if (sscanf(uuid, "GPU-stand-in-%d", &index) != 1)
        return NOT_FOUND;
    return nvmlDeviceGetHandleByIndex_v2((unsigned)index, device);
}

int nvmlDeviceGetName(Device *device, char *name, unsigned size)
{
    char key[64], text[192];
    snprintf(key, sizeof key, "gpu%d.name", device->index);
    if (look_up(key, text, sizeof text))
        snprintf(name, size, "NVIDIA %s", text);
    else
        snprintf(name, size, "NVIDIA Stand-in %d", device->index);
    return SUCCESS;
}

int nvmlDeviceGetUUID(Device *device, char *uuid, unsigned size)
{
    snprintf(uuid, size, "GPU-stand-in-%d", device->index);
    return SUCCESS;
}

int nvmlDeviceGetPciInfo_v3(Device *device, Pci *pci)
{
    memset(pci, 0, sizeof *pci);
    pci->bus = 65 + (unsigned)device->index;
    snprintf(pci->address, sizeof pci->address, "00000000:%02X:00.0", pci->bus);
    return SUCCESS;
}

int nvmlDeviceGetArchitecture(Device *device, unsigned *architecture)
{
    unsigned long long value;
    if (!of_device(device, "architecture", &value))
        return NOT_SUPPORTED;
    *architecture = (unsigned)value;
    return SUCCESS;
}

int nvmlDeviceGetTotalEnergyConsumption(Device *device, unsigned long long *millijoules)
{
    return of_device(device, "energy", millijoules) ? SUCCESS : NOT_SUPPORTED;
}

int nvmlDeviceGetPowerUsage(Device *device, unsigned *milliwatts)
{
    unsigned long long value;
    if (!of_device(device, "power", &value))
        return NOT_SUPPORTED;
    *milliwatts = (unsigned)value;
    return SUCCESS;
}

int nvmlDeviceGetMigMode(Device *device, unsigned *current, unsigned *pending)
{
    unsigned long long value;
    if (!of_device(device, "mig", &value))
        return NOT_SUPPORTED;
    *current = *pending = (unsigned)value;
    return SUCCESS;
}

int nvmlDeviceGetVirtualizationMode(Device *device, unsigned long long *mode)
{
    unsigned long long value;
    *mode = of_device(device, "vgpu", &value) && value ? 2 : 0;
    return SUCCESS;
}

int nvmlDeviceGetComputeRunningProcesses_v3(Device *device, unsigned *count, Process *processes)
{
    char key[64], text[192];
    unsigned room = *count, seen = 0;
    snprintf(key, sizeof key, "gpu%d.pids", device->index);
    if (look_up(key, text, sizeof text))
        for (char *pid = strtok(text, ","); pid; pid = strtok(NULL, ","), seen++)
            if (processes && seen < room)
                processes[seen] = (Process){.pid = (unsigned)atoi(pid)};
    *count = seen;
    return seen > room ? INSUFFICIENT_SIZE : SUCCESS;
}

int nvmlDeviceGetUtilizationRates(Device *device, Utilization *rates)
{
    unsigned long long value;
    if (!of_device(device, "busy", &value))
        return NOT_SUPPORTED;
    *rates = (Utilization){.gpu = (unsigned)value};
    return SUCCESS;
}

enum { UTILIZATION_SAMPLES = 1, PROCESSOR_CLOCK_SAMPLES = 5 }; /* nvmlSamplingType_t */

int nvmlDeviceGetSamples(
    Device *device, int type, unsigned long long since, int *value_type, unsigned *count, Sample *samples)
{
    char key[64], text[192];
    unsigned room = *count, seen = 0;
    snprintf(key, sizeof key, "gpu%d.%s", device->index, type == PROCESSOR_CLOCK_SAMPLES ? "clocks" : "samples");
    if ((type != UTILIZATION_SAMPLES && type != PROCESSOR_CLOCK_SAMPLES) || !look_up(key, text, sizeof text))
        return NOT_SUPPORTED;
    *value_type = 1; /* unsigned int */
    for (char *entry = strtok(text, ","); entry; entry = strtok(NULL, ",")) {
        unsigned long long time, percent;
        if (sscanf(entry, "%llu:%llu", &time, &percent) != 2 || time <= since)
            continue;
        if (samples && seen < room)
            samples[seen] = (Sample){.time = time, .value = percent};
        seen++;
    }
    *count = seen;
    return seen ? SUCCESS : NOT_FOUND;
}

/* As the driver does: its list is longer than what it has to say, and the rest of it is zeros. */
int nvmlDeviceGetProcessUtilization(Device *device, Use *uses, unsigned *count, unsigned long long since)
{
    char key[64], text[192];
    unsigned room = *count, seen = 0;
    unsigned long long at;
    struct timespec now;
    snprintf(key, sizeof key, "gpu%d.use", device->index);
    if (!look_up(key, text, sizeof text))
        return NOT_SUPPORTED;
    clock_gettime(CLOCK_REALTIME, &now);
    if (!of_device(device, "use_at", &at))
        at = now.tv_sec * 1000000ull + now.tv_nsec / 1000;
    if (strcmp(text, "none") == 0 || at <= since)
        return NOT_FOUND;
    *count = 10;
    if (!uses || room < *count)
        return INSUFFICIENT_SIZE;
    memset(uses, 0, *count * sizeof *uses);
    for (char *entry = strtok(text, ","); entry && seen < room; entry = strtok(NULL, ","), seen++)
        if (sscanf(entry, "%u:%u", &uses[seen].pid, &uses[seen].sm) == 2)
            uses[seen].time = at;
    return SUCCESS;
}

static void limit_file(const Device *device, char *path, size_t size)
{
    snprintf(path, size, "%s.gpu%d.limit", getenv("FAKE_NVML"), device->index);
}

int nvmlDeviceGetPowerManagementLimit(Device *device, unsigned *milliwatts)
{
    unsigned long long value;
    char path[512];
    FILE *file;
    if (!of_device(device, "limit", &value))
        return NOT_SUPPORTED;
    *milliwatts = (unsigned)value;
    limit_file(device, path, sizeof path);
    file = fopen(path, "r");
    if (file) {
        if (fscanf(file, "%u", milliwatts) != 1)
            *milliwatts = 0;
        fclose(file);
    }
    return SUCCESS;
}

int nvmlDeviceGetPowerManagementLimitConstraints(Device *device, unsigned *low, unsigned *high)
{
    unsigned long long value;
    *low = 100000;
    *high = 700000;
    return of_device(device, "limit", &value) ? SUCCESS : NOT_SUPPORTED;
}

int nvmlDeviceSetPowerManagementLimit(Device *device, unsigned milliwatts)
{
    unsigned long long code = 0;
    char path[512];
    FILE *file;
    if (number("set", &code) && code)
        return (int)code;
    if (milliwatts < 100000 || milliwatts > 700000)
        return INVALID_ARGUMENT;
    limit_file(device, path, sizeof path);
    file = fopen(path, "w");
    if (!file)
        return NOT_SUPPORTED;
    fprintf(file, "%u\n", milliwatts);
    fclose(file);
    return SUCCESS;
}

enum { LOWEST_MHZ = 210, STEP_MHZ = 15, MEMORY_MHZ = 2619 };

int nvmlDeviceGetSupportedMemoryClocks(Device *device, unsigned *count, unsigned *clocks)
{
    unsigned long long highest;
    unsigned room = *count;
    if (!of_device(device, "highest", &highest))
        return NOT_SUPPORTED;
    *count = 1;
    if (!clocks || room < *count)
        return INSUFFICIENT_SIZE;
    clocks[0] = MEMORY_MHZ;
    return SUCCESS;
}

int nvmlDeviceGetSupportedGraphicsClocks(Device *device, unsigned memory, unsigned *count, unsigned *clocks)
{
    unsigned long long highest;
    unsigned room = *count;
    if (!of_device(device, "highest", &highest))
        return NOT_SUPPORTED;
    if (memory != MEMORY_MHZ)
        return NOT_FOUND;
    *count = ((unsigned)highest - LOWEST_MHZ) / STEP_MHZ + 1;
    if (!clocks || room < *count)
        return INSUFFICIENT_SIZE;
    for (unsigned number = 0; number < *count; number++)
        clocks[number] = (unsigned)highest - number * STEP_MHZ;
    return SUCCESS;
}

static int keep_lock(const Device *device, unsigned low, unsigned high)
{
    unsigned long long code = 0;
    char path[512];
    FILE *file;
    if (number("set", &code) && code)
        return (int)code;
    snprintf(path, sizeof path, "%s.gpu%d.lock", getenv("FAKE_NVML"), device->index);
    file = fopen(path, "w");
    if (!file)
        return NOT_SUPPORTED;
    if (high)
        fprintf(file, "%u %u\n", low, high);
    fclose(file);
    return SUCCESS;
}

int nvmlDeviceSetGpuLockedClocks(Device *device, unsigned low, unsigned high)
{
    unsigned long long highest;
    if (!of_device(device, "highest", &highest))
        return NOT_SUPPORTED;
    return low > high || high > highest || low < LOWEST_MHZ ? INVALID_ARGUMENT : keep_lock(device, low, high);
}

int nvmlDeviceResetGpuLockedClocks(Device *device)
{
    unsigned long long highest;
    return of_device(device, "highest", &highest) ? keep_lock(device, 0, 0) : NOT_SUPPORTED;
}

/* What only other tools ask (the truth bench shows this library to them too). */

typedef struct { unsigned long long total, free, used; } Memory;
typedef struct { unsigned version; int sensor, celsius; } Temperature;
typedef struct {
    unsigned field, scope;
    long long time, latency;
    unsigned type;
    int result;
    union { double real; unsigned word; unsigned long long wide; } value;
} Field;

enum { POWER_AVERAGE = 185, POWER_INSTANT = 186 }; /* NVML_FI_DEV_POWER_* */

static int answers_others(Device *device)
{
    unsigned long long value;
    return of_device(device, "memory", &value);
}

int nvmlDeviceGetMemoryInfo(Device *device, Memory *memory)
{
    unsigned long long value;
    if (!of_device(device, "memory", &value))
        return NOT_SUPPORTED;
    *memory = (Memory){.total = value << 20, .free = value << 20};
    return SUCCESS;
}

int nvmlDeviceGetTemperature(Device *device, int sensor, unsigned *celsius)
{
    (void)sensor;
    *celsius = 40;
    return answers_others(device) ? SUCCESS : NOT_SUPPORTED;
}

int nvmlDeviceGetTemperatureV(Device *device, Temperature *temperature)
{
    temperature->celsius = 40;
    return answers_others(device) ? SUCCESS : NOT_SUPPORTED;
}

int nvmlDeviceGetEnforcedPowerLimit(Device *device, unsigned *milliwatts)
{
    *milliwatts = 700000;
    return answers_others(device) ? SUCCESS : NOT_SUPPORTED;
}

int nvmlDeviceGetComputeMode(Device *device, int *mode)
{
    *mode = 0;
    return answers_others(device) ? SUCCESS : NOT_SUPPORTED;
}

int nvmlDeviceGetGraphicsRunningProcesses_v3(Device *device, unsigned *count, Process *processes)
{
    (void)processes;
    *count = 0;
    return answers_others(device) ? SUCCESS : NOT_SUPPORTED;
}

int nvmlDeviceGetFieldValues(Device *device, int count, Field *fields)
{
    unsigned long long milliwatts;
    if (!answers_others(device) || !of_device(device, "power", &milliwatts))
        return NOT_SUPPORTED;
    for (int number = 0; number < count; number++) {
        int known = fields[number].field == POWER_AVERAGE || fields[number].field == POWER_INSTANT;
        fields[number].result = known ? SUCCESS : NOT_SUPPORTED;
        fields[number].type = 1; /* unsigned int */
        fields[number].value.word = (unsigned)milliwatts;
    }
    return SUCCESS;
}
