/* Puts a broker through its paces with Paho C: paho_client URI (tcp:// or ws://). Prints a line for each version. */
#include <MQTTClient.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATIENCE_MS 10000
#define MESSAGES 30

static const char *uri;

static void check(int holds, const char *what, int version) {
    if (!holds) {
        fprintf(stderr, "failed: %s, version %d\n", what, version);
        exit(1);
    }
}

#define CHECK(holds) check((holds), #holds, version)

static MQTTClient open_client(const char *id, int version, int clean) {
    MQTTClient client;
    MQTTClient_createOptions create = MQTTClient_createOptions_initializer;
    MQTTClient_connectOptions plain = MQTTClient_connectOptions_initializer;
    MQTTClient_connectOptions five = MQTTClient_connectOptions_initializer5;
    create.MQTTVersion = version;
    CHECK(MQTTClient_createWithOptions(&client, uri, id, MQTTCLIENT_PERSISTENCE_NONE, NULL, &create) == MQTTCLIENT_SUCCESS);
    if (version == MQTTVERSION_5) {
        MQTTProperties properties = MQTTProperties_initializer;
        MQTTProperty expiry = {.identifier = MQTTPROPERTY_CODE_SESSION_EXPIRY_INTERVAL, .value.integer4 = clean ? 0 : 600};
        MQTTProperties_add(&properties, &expiry);
        five.cleanstart = clean;
        MQTTResponse response = MQTTClient_connect5(client, &five, &properties, NULL);
        CHECK(response.reasonCode == MQTTREASONCODE_SUCCESS);
        MQTTResponse_free(response);
        MQTTProperties_free(&properties);
    } else {
        plain.MQTTVersion = version;
        plain.cleansession = clean;
        CHECK(MQTTClient_connect(client, &plain) == MQTTCLIENT_SUCCESS);
    }
    return client;
}

static void close_client(MQTTClient client, int version) {
    if (version == MQTTVERSION_5)
        CHECK(MQTTClient_disconnect5(client, PATIENCE_MS, MQTTREASONCODE_SUCCESS, NULL) == MQTTCLIENT_SUCCESS);
    else
        CHECK(MQTTClient_disconnect(client, PATIENCE_MS) == MQTTCLIENT_SUCCESS);
    MQTTClient_destroy(&client);
}

static void subscribe(MQTTClient client, int version, const char *filter, int qos) {
    if (version == MQTTVERSION_5) {
        MQTTResponse response = MQTTClient_subscribe5(client, filter, qos, NULL, NULL);
        CHECK((int)response.reasonCode == qos);
        MQTTResponse_free(response);
    } else {
        CHECK(MQTTClient_subscribe(client, filter, qos) == MQTTCLIENT_SUCCESS);
    }
}

static void publish(MQTTClient client, int version, const char *topic, const char *payload, int qos, int retain) {
    MQTTClient_deliveryToken token;
    int length = (int)strlen(payload);
    if (version == MQTTVERSION_5) {
        MQTTResponse response = MQTTClient_publish5(client, topic, length, payload, qos, retain, NULL, &token);
        CHECK(response.reasonCode == MQTTREASONCODE_SUCCESS);
        MQTTResponse_free(response);
    } else {
        CHECK(MQTTClient_publish(client, topic, length, payload, qos, retain, &token) == MQTTCLIENT_SUCCESS);
    }
    CHECK(MQTTClient_waitForCompletion(client, token, PATIENCE_MS) == MQTTCLIENT_SUCCESS);
}

static void expect(MQTTClient client, int version, const char *topic, const char *payload, int qos, int retain) {
    char *found = NULL;
    int length;
    MQTTClient_message *message = NULL;
    CHECK(MQTTClient_receive(client, &found, &length, &message, PATIENCE_MS) == MQTTCLIENT_SUCCESS && message != NULL);
    CHECK(strcmp(found, topic) == 0);
    CHECK(message->payloadlen == (int)strlen(payload) && memcmp(message->payload, payload, strlen(payload)) == 0);
    CHECK(message->qos == qos && message->retained == retain);
    MQTTClient_free(found);
    MQTTClient_freeMessage(&message);
}

static void all(int version) {
    char topic[32], number[8];
    MQTTClient client = open_client("c", version, 1);
    for (int qos = 0; qos <= 2; qos++)
        for (int sent = 0; sent <= 2; sent++) {
            snprintf(topic, sizeof topic, "c/%d/%d", qos, sent);
            subscribe(client, version, topic, qos);
            publish(client, version, topic, "payload", sent, 0);
            expect(client, version, topic, "payload", qos < sent ? qos : sent, 0);
        }
    publish(client, version, "c/kept", "value", 1, 1);
    subscribe(client, version, "c/kept", 2);
    expect(client, version, "c/kept", "value", 1, 1);
    publish(client, version, "c/kept", "", 1, 1);
    close_client(client, version);

    client = open_client("c-session", version, 0);
    subscribe(client, version, "c/missed", 2);
    close_client(client, version);
    MQTTClient other = open_client("c-other", version, 1);
    for (int at = 0; at < MESSAGES; at++) {
        snprintf(number, sizeof number, "%d", at);
        publish(other, version, "c/missed", number, 2, 0);
    }
    close_client(other, version);
    client = open_client("c-session", version, 0);
    for (int at = 0; at < MESSAGES; at++) {
        snprintf(number, sizeof number, "%d", at);
        expect(client, version, "c/missed", number, 2, 0);
    }
    close_client(client, version);
    close_client(open_client("c-session", version, 1), version);
    printf("version %d\n", version);
}

int main(int count, char **arguments) {
    if (count != 2)
        return 2;
    uri = arguments[1];
    all(MQTTVERSION_3_1);
    all(MQTTVERSION_3_1_1);
    all(MQTTVERSION_5);
    return 0;
}
