/* radload: load generator for a RADIUS challenge dialog, loopback only.
 *
 * Each login sends an Access-Request (PAP, password "password"), expects an
 * Access-Challenge with State, answers it with a code under a new identifier
 * and expects an Access-Accept.  With an oracle logins go over many sockets, since
 * a server of several processes shares gateways out by address and port; every
 * Response Authenticator is checked (RFC 2865 section 3).
 *
 * build:  cc -O2 -o radload radload.c -lcrypto        (Debian: libssl-dev)
 * usage:  radload HOST PORT SECRET USERS WINDOW LOGINS CODE [TIMEOUT_MS [RATE]]
 *   users are named user00000 ... ; CODE is one of
 *     123456    a fixed code
 *     @PORT     ask 127.0.0.1:PORT by UDP: send "SLOT user", receive
 *               "SLOT code moment", the moment (CLOCK_MONOTONIC, seconds) being
 *               when the provider was asked for the call
 *     -         one packet a login, any verified answer counts
 *   without RATE, WINDOW logins are kept in flight; with it, so many logins
 *   begin every second, whatever became of the others, and WINDOW is the most
 *   that may be in flight: one that must wait for room counts its wait.
 * prints: rates, counts of each answer, retransmissions, latency percentiles:
 *   from the first packet to the verdict (login), to the challenge (challenge),
 *   and to the moment that the oracle reports (ring).
 * exit:   0 when every login ended in Access-Accept.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/hmac.h>
#include <openssl/md5.h>
#include <openssl/rand.h>

/* OpenSSL 3 fetches an algorithm at each EVP digest; the old calls keep the generator off the server's CPU. */
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

enum {
    ACCESS_REQUEST = 1,
    ACCESS_ACCEPT = 2,
    ACCESS_REJECT = 3,
    ACCESS_CHALLENGE = 11,

    USER_NAME = 1,
    USER_PASSWORD = 2,
    STATE = 24,
    CALLING_STATION_ID = 31,
    NAS_IDENTIFIER = 32,
    MESSAGE_AUTHENTICATOR = 80,

    HEADER = 20,
    DIGEST = 16,
    MAX_PASSWORD = 128,
    MAX_PACKET = 4096,
    FEW_SOCKETS = 4,
    MANY_SOCKETS = 64,
    MAX_SOCKETS = 256,
    IDENTIFIERS = 256,
    LOGINS_PER_SOCKET = 200,
    MAX_RETRIES = 3,
    MAX_ASKS = 10,
    MAX_STATE = 253,
};

#define ASK_AGAIN 0.5 /* seconds: a burst of questions may overflow the oracle's socket */

enum step { IDLE, WANTS_CHALLENGE, WANTS_CODE, WANTS_VERDICT };

struct login {
    enum step step;
    int socket;
    int identifier;
    int retries;
    double started;
    double first_sent;
    double sent;
    char user[32];
    uint8_t state[MAX_STATE];
    int state_length;
    uint8_t authenticator[DIGEST];
    uint8_t packet[1024];
    int length;
};

struct samples {
    double *values;
    long count;
};

static struct options {
    struct sockaddr_in server;
    const char *secret;
    size_t secret_length;
    int users;
    int window;
    long logins;
    const char *code;
    int one_packet;
    double timeout;
    double rate;
} options;

static struct {
    long started, done, accepts, rejects, challenges, bad, timeouts, retransmissions;
} counts;

static struct samples login_times, challenge_times, ring_times;
static struct login *logins;
static struct login *waiting[MAX_SOCKETS][IDENTIFIERS];
static unsigned next_identifier[MAX_SOCKETS];
static int sockets[MAX_SOCKETS];
static int socket_count;
static int oracle = -1;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void fail(const char *message)
{
    fprintf(stderr, "radload: %s\n", message);
    exit(2);
}

/* --- packets ------------------------------------------------------------- */

static void md5_of_two(uint8_t *digest, const void *before, size_t before_length, const void *after,
                            size_t after_length)
{
    MD5_CTX context;
    MD5_Init(&context);
    MD5_Update(&context, before, before_length);
    MD5_Update(&context, after, after_length);
    MD5_Final(digest, &context);
}

/* RFC 2865 section 5.2. Returns the hidden length; `hidden` has room for MAX_PASSWORD octets. */
static int hide_password(uint8_t *hidden, const char *password, const uint8_t *authenticator)
{
    uint8_t padded[MAX_PASSWORD] = {0};
    size_t length = strlen(password);
    int blocks = length == 0 ? 1 : (int)(length + DIGEST - 1) / DIGEST;
    const uint8_t *previous = authenticator;

    if (length > MAX_PASSWORD)
        fail("a password or code is longer than 128 octets");
    memcpy(padded, password, length);
    for (int block = 0; block < blocks; block++) {
        uint8_t digest[DIGEST];
        uint8_t *out = hidden + block * DIGEST;
        md5_of_two(digest, options.secret, options.secret_length, previous, DIGEST);
        for (int i = 0; i < DIGEST; i++)
            out[i] = padded[block * DIGEST + i] ^ digest[i];
        previous = out;
    }
    return blocks * DIGEST;
}

static void add_attribute(struct login *login, uint8_t type, const void *value, int length)
{
    uint8_t *attribute = login->packet + login->length;
    attribute[0] = type;
    attribute[1] = (uint8_t)(length + 2);
    memcpy(attribute + 2, value, length);
    login->length += length + 2;
}

static void add_text(struct login *login, uint8_t type, const char *text)
{
    add_attribute(login, type, text, (int)strlen(text));
}

static void build_request(struct login *login, const char *password, const uint8_t *state, int state_length)
{
    static const uint8_t zeros[DIGEST];
    uint8_t hidden[MAX_PASSWORD];
    uint8_t *packet = login->packet;

    RAND_bytes(login->authenticator, DIGEST);
    packet[0] = ACCESS_REQUEST;
    packet[1] = (uint8_t)login->identifier;
    memcpy(packet + 4, login->authenticator, DIGEST);
    login->length = HEADER;

    add_attribute(login, MESSAGE_AUTHENTICATOR, zeros, DIGEST);
    add_text(login, USER_NAME, login->user);
    int hidden_length = hide_password(hidden, password, login->authenticator);
    add_attribute(login, USER_PASSWORD, hidden, hidden_length);
    add_text(login, NAS_IDENTIFIER, "radload");
    add_text(login, CALLING_STATION_ID, "203.0.113.9");
    if (state)
        add_attribute(login, STATE, state, state_length);

    packet[2] = (uint8_t)(login->length >> 8);
    packet[3] = (uint8_t)login->length;
    unsigned digest_length;
    HMAC(EVP_md5(), options.secret, (int)options.secret_length, packet, login->length, packet + HEADER + 2,
         &digest_length);
}

/* RFC 2865 section 3: MD5(code, identifier, length, request authenticator, attributes, secret). */
static int authentic(uint8_t *reply, int length, const uint8_t *request_authenticator)
{
    uint8_t claimed[DIGEST];
    uint8_t digest[DIGEST];
    memcpy(claimed, reply + 4, DIGEST);
    memcpy(reply + 4, request_authenticator, DIGEST);
    md5_of_two(digest, reply, length, options.secret, options.secret_length);
    return memcmp(digest, claimed, DIGEST) == 0;
}

/* The value of State in a reply, or NULL. */
static const uint8_t *find_state(const uint8_t *reply, int length, int *state_length)
{
    for (int at = HEADER; at + 1 < length; at += reply[at + 1]) {
        if (reply[at + 1] < 2 || at + reply[at + 1] > length)
            return NULL;
        if (reply[at] == STATE) {
            *state_length = reply[at + 1] - 2;
            return reply + at + 2;
        }
    }
    return NULL;
}

/* --- logins -------------------------------------------------------------- */

static void take_identifier(struct login *login)
{
    int socket = login->socket;
    int identifier;
    do
        identifier = next_identifier[socket]++ % IDENTIFIERS;
    while (waiting[socket][identifier]);
    login->identifier = identifier;
    waiting[socket][identifier] = login;
}

static void release_identifier(struct login *login)
{
    waiting[login->socket][login->identifier] = NULL;
}

static void transmit(struct login *login)
{
    login->sent = now();
    while (send(sockets[login->socket], login->packet, login->length, 0) < 0) {
        if (errno != ENOBUFS && errno != EAGAIN)
            return;
        usleep(50);
    }
}

static void start(struct login *login, double due)
{
    snprintf(login->user, sizeof login->user, "user%05ld", counts.started % options.users);
    counts.started++;
    login->step = WANTS_CHALLENGE;
    login->retries = 0;
    login->started = due;
    take_identifier(login);
    build_request(login, "password", NULL, 0);
    transmit(login);
    login->first_sent = login->sent;
}

static void finish(struct login *login)
{
    release_identifier(login);
    counts.done++;
    login->step = IDLE;
    if (options.rate == 0 && counts.started < options.logins)
        start(login, now());
}

static void sample(struct samples *samples, double seconds)
{
    samples->values[samples->count++] = seconds;
}

static void answer_challenge(struct login *login, const char *code)
{
    release_identifier(login);
    take_identifier(login);
    login->step = WANTS_VERDICT;
    login->retries = 0;
    build_request(login, code, login->state, login->state_length);
    transmit(login);
}

static void ask_oracle(struct login *login)
{
    char question[64];
    int length = snprintf(question, sizeof question, "%d %s", (int)(login - logins), login->user);
    login->step = WANTS_CODE;
    login->sent = now();
    send(oracle, question, length, 0);
}

static void take_challenge(struct login *login, const uint8_t *reply, int length)
{
    const uint8_t *state = find_state(reply, length, &login->state_length);

    counts.challenges++;
    sample(&challenge_times, now() - login->started);
    if (!state) {
        counts.bad++;
        finish(login);
        return;
    }
    memcpy(login->state, state, login->state_length);
    login->retries = 0;
    if (oracle >= 0)
        ask_oracle(login);
    else
        answer_challenge(login, options.code);
}

static void take_codes(void)
{
    char report[64], code[16];
    ssize_t length;
    while ((length = recv(oracle, report, sizeof report - 1, 0)) >= 0) {
        int slot;
        double asked;
        report[length] = 0;
        if (sscanf(report, "%d %15s %lf", &slot, code, &asked) != 3 || slot < 0 || slot >= options.window)
            fail("the oracle speaks in riddles");
        if (logins[slot].step != WANTS_CODE)
            continue;
        sample(&ring_times, asked - logins[slot].first_sent);
        answer_challenge(&logins[slot], code);
    }
}

static void count_verdict(struct login *login, int code)
{
    if (code == ACCESS_REJECT)
        counts.rejects++;
    else if (code == ACCESS_ACCEPT && (options.one_packet || login->step == WANTS_VERDICT))
        counts.accepts++;
    else if (code == ACCESS_CHALLENGE && options.one_packet)
        counts.challenges++;
    else
        counts.bad++;
    sample(&login_times, now() - login->started);
    finish(login);
}

static void take_reply(int socket, uint8_t *reply, int length)
{
    if (length < HEADER) {
        counts.bad++;
        return;
    }
    struct login *login = waiting[socket][reply[1]];
    if (!login)
        return;
    if (!authentic(reply, length, login->authenticator)) {
        counts.bad++;
        return;
    }
    if (reply[0] == ACCESS_CHALLENGE && login->step == WANTS_CHALLENGE && !options.one_packet)
        take_challenge(login, reply, length);
    else if (login->step != WANTS_CODE)
        count_verdict(login, reply[0]);
}

static void drain(int socket)
{
    uint8_t reply[MAX_PACKET];
    ssize_t length;
    while ((length = recv(sockets[socket], reply, sizeof reply, 0)) >= 0)
        take_reply(socket, reply, (int)length);
}

static void retry_or_give_up(struct login *login)
{
    int asks = login->step == WANTS_CODE;
    if (login->retries < (asks ? MAX_ASKS : MAX_RETRIES)) {
        login->retries++;
        if (asks) {
            ask_oracle(login);
            return;
        }
        counts.retransmissions++;
        transmit(login);
        return;
    }
    counts.timeouts++;
    finish(login);
}

static void look_for_timeouts(void)
{
    double t = now();
    for (int i = 0; i < options.window; i++) {
        struct login *login = &logins[i];
        double patience = login->step == WANTS_CODE ? ASK_AGAIN : options.timeout;
        if (login->step != IDLE && t - login->sent > patience)
            retry_or_give_up(login);
    }
}

/* --- the run ------------------------------------------------------------- */

static int connected_socket(struct sockaddr_in address, int flags)
{
    int size = 4 << 20;
    int s = socket(AF_INET, SOCK_DGRAM | flags, 0);
    if (s < 0)
        fail("no socket");
    setsockopt(s, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    if (connect(s, (struct sockaddr *)&address, sizeof address) < 0)
        fail("cannot connect a socket");
    return s;
}

static struct sockaddr_in loopback(const char *host, int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    if (!inet_aton(host, &address.sin_addr) || (ntohl(address.sin_addr.s_addr) >> 24) != 127)
        fail("loopback addresses only");
    return address;
}

static void read_options(int count, char **words)
{
    if (count < 8)
        fail("usage: radload HOST PORT SECRET USERS WINDOW LOGINS CODE|@ORACLEPORT|- [TIMEOUT_MS [RATE]]");
    options.server = loopback(words[1], atoi(words[2]));
    options.secret = words[3];
    options.secret_length = strlen(words[3]);
    options.users = atoi(words[4]);
    options.window = atoi(words[5]);
    options.logins = atol(words[6]);
    options.code = words[7];
    options.one_packet = strcmp(words[7], "-") == 0;
    options.timeout = count > 8 ? atof(words[8]) / 1000 : 5;
    options.rate = count > 9 ? atof(words[9]) : 0;
    if (options.users < 1 || options.window < 1 || options.logins < 1)
        fail("USERS, WINDOW and LOGINS start at 1");
    if (options.window > MAX_SOCKETS * LOGINS_PER_SOCKET)
        fail("WINDOW is at most 51200");
}

static void open_sockets(void)
{
    socket_count = (options.window + LOGINS_PER_SOCKET - 1) / LOGINS_PER_SOCKET;
    int least = options.code[0] == '@' ? MANY_SOCKETS : FEW_SOCKETS;
    if (socket_count < least)
        socket_count = least;
    for (int i = 0; i < socket_count; i++)
        sockets[i] = connected_socket(options.server, SOCK_NONBLOCK);
    if (options.code[0] == '@')
        oracle = connected_socket(loopback("127.0.0.1", atoi(options.code + 1)), SOCK_NONBLOCK);
}

static void allocate(void)
{
    logins = calloc(options.window, sizeof *logins);
    login_times.values = calloc(options.logins, sizeof(double));
    challenge_times.values = calloc(options.logins, sizeof(double));
    ring_times.values = calloc(options.logins, sizeof(double));
    if (!logins || !login_times.values || !challenge_times.values || !ring_times.values)
        fail("no memory");
    for (int i = 0; i < options.window; i++)
        logins[i].socket = i % socket_count;
}

/* Starts what is due; returns seconds until the next login is, or the longest wait. */
static double start_due(double began)
{
    static int slot;
    while (counts.started < options.logins) {
        double due = began + counts.started / options.rate;
        double wait = due - now();
        if (wait > 0)
            return wait;
        int tried = 0;
        while (logins[slot].step != IDLE && ++tried < options.window)
            slot = (slot + 1) % options.window;
        if (logins[slot].step != IDLE)
            break;
        start(&logins[slot], due);
    }
    return 0.1;
}

static void run(void)
{
    struct pollfd readable[MAX_SOCKETS + 1];
    double began = now();
    double last_look = began;

    for (int i = 0; i < socket_count; i++)
        readable[i] = (struct pollfd){.fd = sockets[i], .events = POLLIN};
    readable[socket_count] = (struct pollfd){.fd = oracle, .events = POLLIN};
    for (int i = 0; options.rate == 0 && i < options.window && counts.started < options.logins; i++)
        start(&logins[i], now());
    while (counts.done < options.logins) {
        double wait = options.rate > 0 ? start_due(began) : 0.1;
        struct timespec patience = {.tv_nsec = (long)((wait < 0.1 ? wait : 0.1) * 1e9)};
        ppoll(readable, socket_count + 1, &patience, NULL);
        for (int i = 0; i < socket_count; i++)
            if (readable[i].revents)
                drain(i);
        if (readable[socket_count].revents)
            take_codes();
        if (now() - last_look > 0.25) {
            last_look = now();
            look_for_timeouts();
        }
    }
}

static int ascending(const void *left, const void *right)
{
    double a = *(const double *)left;
    double b = *(const double *)right;
    return (a > b) - (a < b);
}

static double milliseconds(const struct samples *samples, double share)
{
    long at = (long)(samples->count * share);
    if (at >= samples->count)
        at = samples->count - 1;
    return samples->values[at] * 1e3;
}

static void print_times(const char *name, struct samples *samples)
{
    if (samples->count == 0)
        return;
    qsort(samples->values, samples->count, sizeof(double), ascending);
    printf(" | %s ms p50 %.2f p99 %.2f max %.2f", name, milliseconds(samples, 0.5), milliseconds(samples, 0.99),
           milliseconds(samples, 1));
}

static void report(double seconds)
{
    long packets = counts.accepts + counts.rejects + counts.challenges;
    printf("logins %ld in %.3fs = %.0f logins/s (%.0f packets/s)", options.logins, seconds,
           options.logins / seconds, packets / seconds);
    printf(" accept %ld reject %ld challenge %ld bad %ld timeout %ld retrans %ld", counts.accepts, counts.rejects,
           counts.challenges, counts.bad, counts.timeouts, counts.retransmissions);
    print_times("login", &login_times);
    print_times("challenge", &challenge_times);
    print_times("ring", &ring_times);
    puts("");
}

int main(int count, char **words)
{
    read_options(count, words);
    open_sockets();
    allocate();
    double began = now();
    run();
    report(now() - began);
    return counts.accepts == options.logins || options.one_packet ? 0 : 1;
}
