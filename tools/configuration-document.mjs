// docs/configuration.md: a guide, then a table of options for every section of the schema.
const built = (file) => import(new URL(`../.build/src/config/${file}.js`, import.meta.url).href);

const GUIDE = `\
The exporter needs no configuration: by default it follows one router on \`http://localhost:8080\` and serves
\`http://localhost:10180/metrics\`. [config.example.yml](../config.example.yml) has every option with its default.

One router:

\`\`\`sh
llama-router-exporter serve --router http://gpu-box:8080
\`\`\`

Several routers, one of them behind a path and with an API key:

\`\`\`yaml
routers:
  - name: gpu-box
    url: http://gpu-box:8080
  - name: attic
    url: https://attic.example/llama
    api_key_file: /run/secrets/attic_api_key
\`\`\`

A [llama-swap](llama-swap.md) is recognised; \`kind: llama-swap\` or \`kind: llama-server\` refuses anything else.

A container, configured by its environment:

\`\`\`yaml
services:
  exporter:
    image: llama-router-exporter
    ports: ["10180:10180"]
    environment:
      LLAMA_SERVER_URL: http://llama:8080
      LLAMA_API_KEY_FILE: /run/secrets/llama_api_key
      LLAMA_ROUTER_EXPORTER_LOG_FORMAT: json
    secrets: [llama_api_key]
secrets:
  llama_api_key:
    file: ./llama_api_key
\`\`\`

## Ways to reach a router

\`\`\`yaml
routers:
  # A Unix socket, of llama-server --host /run/llama/llama.sock. A base path follows after a colon.
  - url: unix:/run/llama/llama.sock:/llama

  # llama-server with a certificate of your own CA.
  - url: https://gpu-box:8443
    ca_file: /etc/ssl/gpu-box-ca.pem

  # A proxy with Basic authentication, in front of a llama-server with an API key.
  - url: https://llama.example
    username: exporter
    password_file: /run/secrets/llama_password
    api_key_file: /run/secrets/llama_api_key

  # A llama-swap whose ports are on this machine, though its URL is not: its models' metrics are read there.
  - url: http://gpu-box.lan:8080
    local: yes

  # A server that accepts only some values of the header Host.
  - url: http://llama-server:8080
    host_header: localhost:8080
\`\`\`

- **Base path**: llama-server's \`--api-prefix\` belongs in the URL, the \`/v1\` of OpenAI clients does not.
- **Sockets**: write \`unix:/path\`, \`unix:///path\`, or the absolute path if it ends in \`.sock\`. The path is also the name of
  the router. The exporter needs write permission for the socket: run it as the user of llama-server, or start llama-server
  with umask 007 and add the exporter to its group. In a container, mount the folder, because llama-server creates the socket
  at each start.
- **API key**: of several keys, the first is used, in both forms that llama-server reads: separated by commas
  (\`LLAMA_API_KEY\`), or one per line, where empty lines and lines that begin with \`#\` are left out (\`--api-key-file\`).
- **User and password**: \`Authorization\` then holds the user, so the API key is sent as \`X-Api-Key\`. llama-server reads that
  header only without \`Authorization\`, so let the proxy remove it (nginx: \`proxy_set_header Authorization "";\`).
  Credentials in a URL are refused, because URLs are visible in metrics, logs and on the page.
- **CA**: only the certificates of the file are trusted, for this router alone. The server's own certificate works too. A
  changed file applies to the next connection.
- **Proxies** must pass \`/models\`, \`/models/sse\` (without buffering), \`/models/unload\`, \`/props\`, \`/metrics\` and \`/slots\`.
- **Host**: for https, the certificate must be valid for this name.

The variables \`LLAMA_API_KEY\`, \`LLAMA_SERVER_USERNAME\`, \`LLAMA_SERVER_PASSWORD\`, \`LLAMA_SERVER_CA_FILE\` and
\`LLAMA_SERVER_HOST_HEADER\` apply to every router that does not have the option itself. Commands use them as well:

\`\`\`sh
LLAMA_SERVER_CA_FILE=ca.pem llama-router-exporter doctor --router https://gpu-box:8443
llama-router-exporter list --router unix:/run/llama/llama.sock
\`\`\`

If a router cannot be reached, \`llama-router-exporter doctor\` names the cause and what to do.

## Sources

The exporter combines four sources. For each option, the last source that sets it wins:

1. the defaults in the tables below,
2. the YAML file named by \`--config.file\` or \`LLAMA_ROUTER_EXPORTER_CONFIG_FILE\`,
3. environment variables; an empty variable counts as not set,
4. flags.

A list is replaced as a whole: \`--router\` and \`LLAMA_SERVER_URL\` replace all routers of the file, including its
\`discovery\`. A key without a value in the file means its default.

## Checking a configuration

The exporter checks every key, variable and value before it starts, and reports all problems with their lines:

\`\`\`text
2 problems:
  config.yml:2: routers[0].url: 'gpu-box:8080' must start with http:// or https://: write 'http://gpu-box:8080'
  config.yml:4: follow.listing_intervall: unknown key: did you mean 'listing_interval'?
\`\`\`

\`llama-router-exporter check-config config.yml\` only checks the file; it exits with 2 if there is a problem.

## Reload

\`SIGHUP\` or \`POST /-/reload\` reloads the file and the files of secrets. Variables and flags stay as they were at the
start. If the new configuration has a problem, the exporter logs it and keeps the previous configuration.

## Values

A duration is a number with a unit: \`500ms\`, \`30s\`, \`10m\`, \`1h30m\`. Units are \`ms\`, \`s\`, \`m\`, \`h\`, \`d\` and \`w\`, the
larger before the smaller. A number without a unit is in seconds. The longest duration is 24 days.

Relative paths in the file are relative to the file; in variables and flags they are relative to the working directory.

## Secrets

Write a secret such as \`api_key\` in the file, or better in a file of its own that \`api_key_file\` names. Setting both is
an error. The exporter reads the file at the start and at every reload, and ignores one newline at its end. Secrets have
no flags, because every user of a machine can see the arguments of its programs. They never appear in messages, logs or
responses.

\`LLAMA_ROUTER_EXPORTER_TOKEN\` (or \`LLAMA_ROUTER_EXPORTER_TOKEN_FILE\`) is a single token with the name \`default\`; it
replaces the tokens of the file. For permissions of tokens see [security.md](security.md).

\`LLAMA_ROUTER_EXPORTER_URL\` is the exporter that \`hold\`, \`release\`, \`run\` and the integrations ask; the service ignores it.`;

export async function configurationDocument() {
  const [names, { CONFIG_NODES }] = await Promise.all([built('options'), built('schema')]);
  const sections = CONFIG_NODES.filter(({ kind, path }) => kind === 'section' && path.length === 1);
  return `${[
    '# Configuration',
    '<!-- Generated by `npm run generate` from src/config/schema.ts and tools/configuration-document.mjs: edit there. -->',
    GUIDE,
    '## Options',
    `\`--${names.CONFIG_FILE_FLAG}\` or \`${names.CONFIG_FILE_VARIABLE}\` names the file itself. Options without a flag are set in the file or by their variable.`,
    ...sections.flatMap(({ path: [section], description }) => {
      const inside = CONFIG_NODES.filter(({ kind, path }) => kind !== 'section' && path[0] === section);
      return [`### ${section}`, description, table(inside, names)];
    }),
  ].join('\n\n')}\n`;
}

function table(options, { flagOf, variableOf, formatPlace }) {
  const rows = options.map((option) => {
    const flag = flagOf(option);
    return [
      code(formatPlace(option.path)),
      option.type,
      // The default of a name is a description, not a value.
      option.path.at(-1) === 'name' ? option.fallback : code(option.fallback),
      option.description,
      code(flag && `--${flag}`),
      code(variableOf(option)),
    ];
  });
  const head = ['Option', 'Type', 'Default', 'Description', 'Flag', 'Variable'];
  return [head, head.map(() => '---'), ...rows].map(row).join('\n');
}

function row(cells) {
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

function code(text) {
  return text ? `\`${text}\`` : '';
}
