"""What of pyftpdlib's tests is not run against our server, or with a difference, and why. All the rest runs as it is.

A class stands for all its tests. A test that is named here but is not in the suite fails the run.
"""

MODULES = {
    "test_authorizers": "Tests a class of pyftpdlib's that we do not use: users are ours.",
    "test_cli": "Tests pyftpdlib's command line; ours is another.",
    "test_filesystems": "Tests pyftpdlib's file system by itself; ours is under test in the functional tests.",
    "test_ioloop": "Tests pyftpdlib's event loop by itself.",
    "test_servers": "Repeats the functional tests with a thread or a process a session; ours is one of both.",
}

TESTS: dict[str, tuple[str, ...]] = {
    "Nobody is let in without a password that is theirs.": ("TestFtpAuthentication.test_anon_auth",),
    "SITE CHMOD is not offered: modes mean nothing where every user is the same one to the kernel.": (
        "TestFtpFsOperations.test_site_chmod",
    ),
    "A transfer is refused, with 425, where PASV, EPSV, PORT or EPRT has not come before it.": (
        "TestFtpStoreData.test_stou",
    ),
    "TLS has no urgent data, by which the test sends its ABOR.": ("TestFtpAbort.test_oob_abor",),
    "The suite itself skips it over TLS; it runs over explicit FTPS.": (
        "TestTimeoutsTLSMixin.test_data_timeout_not_reached",
    ),
    # Settings that we do not have
    "sendfile(2), which would send in clear, is not used.": (
        "TestFtpRetrieveDataNoSendfile",
        "TestFtpStoreDataNoSendfile",
        "ThreadedFTPTests.test_sendfile_fails",
    ),
    "No time-out can be switched off.": (
        "TestTimeouts.test_disabled_data_timeout",
        "TestTimeouts.test_disabled_idle_timeout",
        "TestTimeouts.test_disabled_pasv_timeout",
        "TestTimeouts.test_disabled_port_timeout",
    ),
    "The greeting is always the same.": ("TestConfigurableOptions.test_banner",),
    "File names are always UTF-8.": ("TestConfigurableOptions.test_encoding",),
    "Times are always UTC, as RFC 3659 demands.": ("TestConfigurableOptions.test_use_gmt_times",),
    "Active connections to other addresses, or to ports below 1024, cannot be allowed.": (
        "ThreadedFTPTests.test_permit_foreign_address_true",
        "ThreadedFTPTests.test_permit_privileged_ports",
    ),
    "What is announced is an IPv4 address, which 256.256.256.256 is not, or a host name, which is looked up.": (
        "TestConfigurableOptions.test_masquerade_address",
    ),
    # Other on purpose
    "A data connection that nobody uses ends by itself, and the session goes on.": (
        "TestTimeouts.test_data_timeout",
        "TestTimeouts.test_idle_data_timeout1",
    ),
    "Nothing is said when nobody comes to a passive port: it would be taken for the next command's answer.": (
        "TestTimeouts.test_pasv_timeout",
    ),
    "Limits count sessions; pyftpdlib's count sockets, data connections and listeners among them.": (
        "TestConfigurableOptions.test_max_connections",
    ),
    "No port is taken from outside the passive range: nobody could reach it.": (
        "TestConfigurableOptions.test_passive_ports_busy",
    ),
    # Not about the server
    "Reads and writes the client's files in another way; the server cannot tell.": (
        "TestFtpRetrieveDataCustomIO",
        "TestFtpStoreDataWithCustomIO",
    ),
    "Replaces parts of pyftpdlib's handler by classes of the test's own, which are no interface of ours.": (
        "TestCallbacks",
        "TestThrottleBandwidth",
        "ThreadedFTPTests.test_stou_max_tries",
    ),
    "Tests pyftpdlib's server and loop; ours is not involved.": ("TestCornerCases.test_error_on_callback",),
    # TLS, as the suite sees it
    "Nobody logs in without TLS, not even to send PBSZ and PROT afterwards.": (
        "TestFTPS.test_auth",
        "TestFTPS.test_pbsz",
        "TestFTPS.test_prot",
    ),
    "A login without TLS is refused with 530 (RFC 959's for `not logged in`), not 550.": (
        "TestFTPS.test_tls_control_required",
    ),
    "AUTH SSL, a name older than RFC 4217, is not advertised; the test wants it in FEAT.": ("TestFTPS.test_feat",),
    "A data connection without PROT P is refused with 521 (RFC 4217), not 550.": ("TestFTPS.test_tls_data_required",),
}

WORDS = {
    # ours: pyftpdlib's, for the same answer with the same code
    "Too many sessions from your address": "Too many connections from the same IP address",
    "Data connections go to ports from 1024 on only": "Data connections go to no privileged port",
    "Data connections go to your own address only": "Data connections go to no foreign address",
}

DIFFERENT: dict[str, tuple[str, ...]] = {
    "The answer's words are others; the client puts pyftpdlib's in their place (WORDS).": (
        "TestConfigurableOptions.test_max_connections_per_ip",
        "TestIPv4Environment.test_eprt",
        "TestIPv4Environment.test_eprt_v4",
        "TestIPv4Environment.test_port_v4",
        "TestIPv6Environment.test_eprt",
        "TestIPv6Environment.test_eprt_v6",
        "ThreadedFTPTests.test_permit_foreign_address_false",
    ),
    "The commands that want an argument are ours: without SITE CHMOD, with those that pyftpdlib has not.": (
        "TestFtpCmdsSemantic.test_arg_cmds",
        "TestFtpCmdsSemantic.test_auth_cmds",
    ),
    "The client sends PASV before a transfer that is to be refused: without that, it is refused for that.": (
        "TestFtpRetrieveData.test_restore_on_retr",
        "TestFtpStoreData.test_appe_rest",
        "TestFtpStoreData.test_rest_on_stor",
        "TestFtpStoreData.test_stou_orphaned_file",
        "TestFtpStoreData.test_stou_rest",
    ),
    "The client ends its upload with close_notify, where the test only closes the connection.": (
        "TestFtpStoreData.test_quit_during_transfer",
        "TestFtpStoreData.test_stor_ascii_2",
        "TestTimeouts.test_data_timeout_not_reached",
    ),
    "The user `anonymous` has a password, and may only read.": (
        "TestFTPS.test_unforseen_ssl_shutdown",
        "TestFtpStoreData.test_stou_orphaned_file",
    ),
    "Of the test's list of ports, one is the range.": ("TestConfigurableOptions.test_passive_ports",),
    "The address that is announced goes by the client's address, not by the server's.": (
        "TestConfigurableOptions.test_masquerade_address_map",
    ),
    "The time-outs are half a second, which no configuration file may have, instead of a tenth.": (
        "TestTimeouts.test_data_timeout_not_reached",
        "TestTimeouts.test_idle_data_timeout2",
        "ThreadedFTPTests.test_idle_timeout",
    ),
}
