/** What the table of options cannot say: for an operator who is tired and wants it to work. */
export const GUIDE = `\
Nothing needs to be configured: without a file, a variable or a flag the exporter watches one router on
\`http://localhost:8080\` and serves \`http://localhost:10180/metrics\`.

## Where options come from

Later wins, option by option:

1. the defaults in the tables below,
2. the YAML file named by \`--config.file\` (or \`LLAMA_ROUTER_EXPORTER_CONFIG_FILE\`),
3. environment variables; an empty one counts as not set,
4. flags.

A list is replaced as a whole: \`--router\` or \`LLAMA_SERVER_URL\` sets aside every router of the file. A key
without a value in the file means its default.

Every key, variable and value is checked before anything starts, and everything that is wrong is told at once, with
the line it stands on:

\`\`\`text
2 problems:
  config.yml:2: routers[0].url: 'gpu-box:8080' must start with http:// or https://: write 'http://gpu-box:8080'
  config.yml:4: follow.listing_intervall: unknown key: did you mean 'listing_interval'?
\`\`\`

\`llama-router-exporter check-config config.yml\` does only that, and exits with 2 when something is wrong.

## Durations

A duration is a number with a unit: \`500ms\`, \`30s\`, \`10m\`, \`1h30m\`, with the units \`ms\`, \`s\`, \`m\`, \`h\`, \`d\` and
\`w\`, the large before the small. A number without a unit is seconds. None may be longer than 24 days.

## Secrets

A secret such as \`api_key\` may stand in the file itself, or better in a file of its own, named by the key with
\`_file\` behind it (\`api_key_file\`): both together are an error. The file is read when the configuration is loaded and
again at every reload; one newline at its end is ignored. Secrets have no flags, for every user of a machine sees the
arguments of its programs. They never appear in a message, a log line or an answer.

\`LLAMA_API_KEY\` (or \`LLAMA_API_KEY_FILE\`) is the key for every router that has none of its own.
\`LLAMA_ROUTER_EXPORTER_TOKEN\` (or \`LLAMA_ROUTER_EXPORTER_TOKEN_FILE\`) is the one token, called \`default\`; like every
list it sets aside those of the file. Who may do what with a token: [security.md](security.md).

Relative paths in the file are relative to the file; in variables and flags, to where the exporter was started.

## Reload

\`SIGHUP\`, or \`POST /-/reload\`, reads the file and the files of secrets anew; variables and flags stay as they were at
the start. A configuration with a problem changes nothing: the old one stays in force and the problem is logged.

## Examples

One router, nothing else:

\`\`\`sh
llama-router-exporter serve --router http://gpu-box:8080
\`\`\`

Several, named, one of them behind a path and with a key:

\`\`\`yaml
routers:
  - name: gpu-box
    url: http://gpu-box:8080
  - name: attic
    url: https://attic.example/llama
    api_key_file: /run/secrets/attic_api_key
\`\`\`

A container by its environment alone:

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

[config.example.yml](../config.example.yml) holds every option with its default, ready to be copied.`;
