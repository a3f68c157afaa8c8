// SPDX-License-Identifier: Apache-2.0
#include "base/limits.h"
#include "base/test.h"
#include "otlp/attrs.h"
#include <stdio.h>
#include <stdlib.h>

static struct xr_attr numbered(struct xr_str key, int64_t value) {
    return (struct xr_attr){.key = key, .kind = XR_ATTR_INT, .integer = value};
}

static void add(struct xr_attr_list *list, struct xr_str key, int64_t value) {
    struct xr_attr attr = numbered(key, value);
    assert_int_equal(xr_attr_list_add(list, &attr, NULL), XR_OK);
}

/* keys: a letter each; want: "a=5,b=1" */
static void assert_merged(const char *keys, const char *want) {
    struct xr_attr_list list = {0};
    char got[2000] = "", *to = got;
    for (size_t i = 0; keys[i]; i++)
        add(&list, (struct xr_str){.ptr = keys + i, .len = 1}, (int64_t)i);
    assert_int_equal(xr_attr_list_merge(&list, NULL), XR_OK);
    for (size_t i = 0; i < list.count; i++)
        to += sprintf(to, "%s%c=%d", i ? "," : "", list.items[i].key.ptr[0], (int)list.items[i].integer);
    assert_string_equal(got, want);
    xr_attr_list_clear(&list);
}

static void a_key_keeps_its_first_place_and_last_value(void **state) {
    (void)state;
    assert_merged("", "");
    assert_merged("a", "a=0");
    assert_merged("abc", "a=0,b=1,c=2");
    assert_merged("aa", "a=1");
    assert_merged("abacba", "a=5,b=4,c=3");
    /* Around the number from which they are sorted, and beyond the first room. */
    assert_merged("abcdefghijklmnopqrstuvwxyzABCDE", "a=0,b=1,c=2,d=3,e=4,f=5,g=6,h=7,i=8,j=9,k=10,l=11,m=12,n=13,"
                                                     "o=14,p=15,q=16,r=17,s=18,t=19,u=20,v=21,w=22,x=23,y=24,z=25,"
                                                     "A=26,B=27,C=28,D=29,E=30");
    assert_merged("cabcabcabcabcabcabcabcabcabcabca", "c=30,a=31,b=29");
    assert_merged("cabcabcabcabcabcabcabcabcabcabcab", "c=30,a=31,b=32");
    assert_merged("cabcabcabcabcabcabcabcabcabcabcabc", "c=33,a=31,b=32");
    assert_merged("zabcdefghijklmnopqrstuvwxyABCDEFGHIJKLMNOPQRSTUVWXYZz0123456789z",
                  "z=63,a=1,b=2,c=3,d=4,e=5,f=6,g=7,h=8,i=9,j=10,k=11,l=12,m=13,n=14,o=15,p=16,q=17,r=18,s=19,t=20,"
                  "u=21,v=22,w=23,x=24,y=25,A=26,B=27,C=28,D=29,E=30,F=31,G=32,H=33,I=34,J=35,K=36,L=37,M=38,N=39,"
                  "O=40,P=41,Q=42,R=43,S=44,T=45,U=46,V=47,W=48,X=49,Y=50,Z=51,0=53,1=54,2=55,3=56,4=57,5=58,6=59,"
                  "7=60,8=61,9=62");
}

static void keys_of_other_lengths_are_other_keys(void **state) {
    (void)state;
    struct xr_attr_list list = {0};
    for (int round = 0; round < 30; round++) {
        add(&list, XR_STR(""), 1);
        add(&list, (struct xr_str){0}, 2);
        add(&list, XR_STR("a"), 3);
        add(&list, XR_STR("a\0"), 4);
        add(&list, XR_STR("ab"), 5);
    }
    assert_int_equal(xr_attr_list_merge(&list, NULL), XR_OK);
    assert_int_equal(list.count, 4);
    assert_int_equal(list.items[0].integer, 2);
    xr_attr_list_clear(&list);
}

/* Half a million of each would not end in this test's time if each were compared with each. */
static void many_attributes_are_merged_in_little_time(void **state) {
    (void)state;
    enum { KEYS = XR_OTLP_ATTRS_MAX / 2, KEY_SIZE = 12 };
    struct xr_attr_list list = {0};
    char(*keys)[KEY_SIZE] = malloc((size_t)KEYS * KEY_SIZE);
    assert_non_null(keys);
    for (int i = 0; i < KEYS; i++)
        snprintf(keys[i], KEY_SIZE, "k%d", i);
    for (int64_t i = 0; i < 2 * KEYS; i++)
        add(&list, xr_str_from(keys[i % KEYS]), i);
    struct xr_attr more = numbered(XR_STR("x"), 0);
    assert_int_equal(xr_attr_list_add(&list, &more, NULL), XR_TOO_LARGE);
    assert_int_equal(xr_attr_list_merge(&list, NULL), XR_OK);
    assert_int_equal(list.count, KEYS);
    for (int64_t i = 0; i < KEYS; i++)
        if (!xr_str_eq(list.items[i].key, xr_str_from(keys[i])) || list.items[i].integer != KEYS + i)
            fail_msg("%d", (int)i);
    xr_attr_list_clear(&list);
    free(keys);
}

static void an_attribute_is_found_by_its_whole_key(void **state) {
    (void)state;
    const struct xr_attr items[] = {numbered(XR_STR("ab"), 0), numbered(XR_STR("a"), 1), numbered(XR_STR("a\0b"), 2)};
    const struct xr_attrs attrs = {.items = items, .count = 3}, none = {0};
    assert_ptr_equal(xr_attr_find(&attrs, XR_STR("a")), &items[1]);
    assert_ptr_equal(xr_attr_find(&attrs, XR_STR("a\0b")), &items[2]);
    assert_null(xr_attr_find(&attrs, XR_STR("b")));
    assert_null(xr_attr_find(&attrs, XR_STR("")));
    assert_null(xr_attr_find(&none, XR_STR("a")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_keeps_its_first_place_and_last_value),
        cmocka_unit_test(keys_of_other_lengths_are_other_keys),
        cmocka_unit_test(many_attributes_are_merged_in_little_time),
        cmocka_unit_test(an_attribute_is_found_by_its_whole_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
