# -*- test-case-name: tests.config.test_rules -*-
"""L{openclaw_tx.config.rules}, through whole files."""

from __future__ import annotations

from tests.config.support import Home


class RulesTests(Home):
    """What types can not say."""

    def assertIssue(self, text: str, path: str, words: str) -> None:
        """Exactly this one thing is wrong with C{text}."""
        issues = self.issues(text)
        self.assertEqual(list(issues), [path])
        self.assertIn(words, issues[path])

    def test_bind(self) -> None:
        """A custom bind needs an address."""
        for host in ("", "localhost", "1.2.3", "0.0.0.0:80"):
            text = f"{{gateway: {{bind: 'custom', customBindHost: '{host}', auth: {{token: 'x1'}}}}}}"
            self.assertIssue(text, "gateway.customBindHost", "IP address")
        for host in ("127.0.0.1", "::1", "10.0.0.1"):
            self.load(f"{{gateway: {{bind: 'custom', customBindHost: '{host}', auth: {{token: 'x1'}}}}}}")

    def test_agents(self) -> None:
        """Ids are unique, in the list and in the map and across; there is one default."""
        self.assertIssue("{agents: {list: [{id: 'a'}, {id: 'b'}, {id: 'a'}]}}", "agents.list[2].id", "called a")
        self.assertIssue(
            "{agents: {list: [{id: 'a', default: true}, {id: 'b', default: true}]}}", "agents.list[1].default", "a is"
        )
        self.assertIssue("{agents: {list: [{id: 'a'}], entries: {a: {}}}}", "agents.entries.a.id", "called a")
        self.assertIssue("{agents: {entries: {a: {id: 'b'}}}}", "agents.entries.a.id", "differs from the key")

    def test_timezone(self) -> None:
        """A time zone must exist and can not be a way into the file system."""
        for zone in ("Nowhere/Land", "../../etc/passwd", "/etc/passwd", "Europe"):
            self.assertIssue(
                f"{{agents: {{defaults: {{userTimezone: '{zone}'}}}}}}", "agents.defaults.userTimezone", "IANA"
            )
        self.load("{agents: {defaults: {userTimezone: 'Europe/Berlin'}}}")

    def test_allow_and_also_allow(self) -> None:
        """Not both in one scope, whichever scope it is."""
        both = "{allow: ['a'], alsoAllow: ['b']}"
        for text, path in (
            (f"{{tools: {both}}}", "tools.alsoAllow"),
            (f"{{tools: {{byProvider: {{x: {both}}}}}}}", "tools.byProvider.x.alsoAllow"),
            (f"{{agents: {{list: [{{id: 'a', tools: {both}}}]}}}}", "agents.list[0].tools.alsoAllow"),
        ):
            self.assertIssue(text, path, "allow")
        self.load("{tools: {allow: ['a'], byProvider: {x: {alsoAllow: ['b']}}}}")

    def test_providers(self) -> None:
        """URLs, names, keys and headers that could not work or could smuggle something in."""
        for part, path, words in (
            ("x: {}", "x.baseUrl", "is required, but for anthropic"),
            ("x: {baseUrl: 'ftp://h/v1'}", "x.baseUrl", "http://"),
            ("x: {baseUrl: 'h'}", "x.baseUrl", "http://"),
            ("x: {baseUrl: 'http://'}", "x.baseUrl", "http://"),
            ("x: {baseUrl: 'http://h:99999'}", "x.baseUrl", "http://"),
            ("x: {baseUrl: 'http://[::1'}", "x.baseUrl", "http://"),
            ("'a/b': {baseUrl: 'http://h'}", "a/b", "slash"),
            ("x: {baseUrl: 'http://h', apiKey: 'a\\nb'}", "x.apiKey", "line break"),
            ("x: {baseUrl: 'http://h', headers: {a: 'b\\r\\nc: d'}}", "x.headers.a", "line break"),
            ("x: {baseUrl: 'http://h', headers: {'a b': 'c'}}", 'x.headers["a b"]', "header"),
            ("x: {baseUrl: 'http://h', models: [{id: 'm'}, {id: 'm'}]}", "x.models[1].id", "another model"),
            ("x: {baseUrl: 'http://h', models: [{id: ' '}]}", "x.models[0].id", "blank"),
            ("x: {baseUrl: 'http://h', models: [{id: 'm', api: 'y'}]}", "x.models[0].api", "openai-completions"),
            ("x: {baseUrl: 'http://h', models: [{id: 'm', headers: {a: '\\0'}}]}", "x.models[0].headers.a", "control"),
        ):
            self.assertIssue(f"{{models: {{providers: {{{part}}}}}}}", f"models.providers.{path}", words)
        self.load("{models: {providers: {x: {baseUrl: 'http://[::1]:8080/v1', headers: {'X-A': 'b\\tc'}}}}}")

    def test_web_search(self) -> None:
        """Addresses and keys of search engines."""
        for part, path, words in (
            ("perplexity: {baseUrl: 'ftp://h'}", "perplexity.baseUrl", "http://"),
            ("searxng: {baseUrl: 'localhost:8888'}", "searxng.baseUrl", "http://"),
            ("apiKey: 'a\\nb'", "apiKey", "line break"),
            ("perplexity: {apiKey: 'a\\0b'}", "perplexity.apiKey", "control"),
        ):
            self.assertIssue(f"{{tools: {{web: {{search: {{{part}}}}}}}}}", f"tools.web.search.{path}", words)
        self.load("{tools: {web: {search: {searxng: {baseUrl: 'http://127.0.0.1:8888'}}}}}")

    def test_store(self) -> None:
        """The store is a database URL of a kind there is: what is accepted here must not keep the gateway from
        starting."""
        for store in ("sessions.db", "/var/x.db", "mysql://h/d", "://x", "sqlite://x.db", "sqlite:///x?mode=ro"):
            self.assertIssue(f"{{session: {{store: '{store}'}}}}", "session.store", "database URL")
        for store in ("postgresql://u:p@h/d", "postgresql+psycopg://h/d", "postgres://h/d"):
            self.assertIssue(f"{{session: {{store: '{store}'}}}}", "session.store", "PostgreSQL is not there yet")
        for store in ("", "sqlite:////var/x.db", "sqlite:///x.db", "sqlite://"):
            self.assertEqual(self.load(f"{{session: {{store: '{store}'}}}}").config.session.store, store)

    def test_mcp_servers(self) -> None:
        """A program or an address, one of them, and nothing that a process or a request could not be given."""
        for part, path, words in (
            ("'a b': {command: 'x'}", '["a b"]', "letters"),
            (f"{'n' * 33}: {{command: 'x'}}", "n" * 33, "1 to 32"),
            ("x: {}", "x.url", "http://"),
            ("x: {url: 'ftp://h'}", "x.url", "http://"),
            ("x: {url: 'http://u:p@h/mcp'}", "x.url", "headers"),
            ("x: {transport: 'stdio', url: 'http://h'}", "x.command", "needed"),
            ("x: {transport: 'http', command: 'y'}", "x.url", "http://"),
            ("x: {command: 'y', url: 'http://h'}", "x", "one of them"),
            ("x: {command: 'y', args: ['a', 'b\\0']}", "x.args[1]", "NUL"),
            ("x: {command: 'y', env: {'A=B': 'c'}}", 'x.env["A=B"]', "variable"),
            ("x: {url: 'http://h', headers: {a: 'b\\n'}}", "x.headers.a", "line break"),
        ):
            path = f"mcp.servers{path}" if path.startswith("[") else f"mcp.servers.{path}"
            self.assertIssue(f"{{mcp: {{servers: {{{part}}}}}}}", path, words)
        self.load("{mcp: {servers: {a: {command: 'x', args: ['-y']}, 'b-c_1': {url: 'https://h/mcp/?k=v'}}}}")

    def test_heartbeat(self) -> None:
        """Hours are those of a zone that there is."""
        rules = "{activeHours: {timezone: 'Nowhere/Land'}}"
        path = "heartbeat.activeHours.timezone"
        self.assertIssue(f"{{agents: {{defaults: {{heartbeat: {rules}}}}}}}", f"agents.defaults.{path}", "IANA")
        self.assertIssue(f"{{agents: {{list: [{{id: 'a', heartbeat: {rules}}}]}}}}", f"agents.list[0].{path}", "IANA")
        for zone in ("user", "local", "Europe/Berlin", ""):
            self.load(f"{{agents: {{defaults: {{heartbeat: {{activeHours: {{timezone: '{zone}'}}}}}}}}}}")

    def test_hook_paths(self) -> None:
        """Hooks are in nobody's way."""
        for path in ("/v1", "/v1/hooks", "/tools/x", "/healthz", "/a//b"):
            words = "such as" if "//" in path else "itself"
            self.assertIssue(f"{{hooks: {{path: '{path}'}}}}", "hooks.path", words)
        for path in ("/hooks", "/hooks/", "/v1x", "/in/v1"):
            self.load(f"{{hooks: {{path: '{path}'}}}}")

    def test_hook_mappings(self) -> None:
        """A template is there for its action, and can be filled."""
        for mapping, path, words in (
            ("{}", "messageTemplate", "needed"),
            ("{messageTemplate: ' '}", "messageTemplate", "needed"),
            ("{action: 'wake', messageTemplate: 'x'}", "textTemplate", "needed"),
            ("{messageTemplate: 'a {{b c}}'}", "messageTemplate", "{{b c}}"),
            ("{messageTemplate: '{{a..b}}'}", "messageTemplate", "{{a..b}}"),
            ("{messageTemplate: '{{}}'}", "messageTemplate", "{{}}"),
            ("{messageTemplate: 'x', sessionKey: 'a:{{b}}'}", "sessionKey", "allowRequestSessionKey"),
        ):
            self.assertIssue(f"{{hooks: {{mappings: [{mapping}]}}}}", f"hooks.mappings[0].{path}", words)
        good = "{messageTemplate: '{{a.b[0].c}} {{ headers.x-y }} {', sessionKey: 'a:{{b}}'}"
        self.load(f"{{hooks: {{allowRequestSessionKey: true, mappings: [{good}]}}}}")

    def test_channels(self) -> None:
        """Webhooks have secrets that can not be guessed, URLs and agents that are there; so have bindings."""
        good = "secret: 'sixteen-or-more-chars'"
        for part, path, words in (
            ("a: {}", "a.secret", "16 characters"),
            ("a: {secret: 'too-short'}", "a.secret", "16 characters"),
            (f"a: {{{good}, outSecret: 'x'}}", "a.outSecret", "16 characters"),
            (f"a: {{{good}, outUrl: 'ftp://h/'}}", "a.outUrl", "http://"),
            (f"a: {{{good}, agentId: 'nobody'}}", "a.agentId", "no agent 'nobody'"),
        ):
            self.assertIssue(f"{{channels: {{webhook: {{{part}}}}}}}", f"channels.webhook.{path}", words)
        self.load(f"{{channels: {{webhook: {{a: {{{good}, agentId: 'Main'}}, b: {{enabled: false}}}}}}}}")
        match = "match: {channel: 'telegram'}"
        self.assertIssue(f"{{bindings: [{{agentId: 'nobody', {match}}}]}}", "bindings[0].agentId", "no agent")
        self.load(f"{{bindings: [{{agentId: 'main', {match}}}]}}")
