// basic-ftp, told its tasks on standard input; see worker.py.

import { readFileSync } from "node:fs"
import path from "node:path"
import { createInterface } from "node:readline"

import { Client } from "basic-ftp"

async function perform(line) {
  const [tls, implicit, _active, ...rest] = line.split("\t")
  const [host, port, user, password, authority, directory, sent, received, ...files] = rest
  const client = new Client(20_000)
  try {
    await client.access({
      host,
      port: Number(port),
      user,
      password,
      secure: implicit === "true" ? "implicit" : true,
      secureOptions: { ca: readFileSync(authority), minVersion: `TLSv${tls}`, maxVersion: `TLSv${tls}` },
    })
    await client.ensureDir(directory)
    for (const name of files) await client.uploadFrom(path.join(sent, name), name)
    const listed = await client.list()
    for (const name of files) await client.downloadTo(path.join(received, name), name)
    return ["ok", ...listed.map((file) => file.name)]
  } catch (error) {
    return ["error", String(error).replaceAll(/\s+/g, " ")]
  } finally {
    client.close()
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  console.log((await perform(line)).join("\t"))
}
