// Sends each request of the list in the first argument with fetch, and prints the list of statuses, or of what failed.
const statuses = []
for (const { method, url, headers, bytes } of JSON.parse(process.argv[2])) {
    try {
        const answer = await fetch(url, { method, headers, body: Buffer.alloc(bytes, 120) })
        await answer.arrayBuffer()
        statuses.push(String(answer.status))
    } catch (error) {
        statuses.push(`${error} ${error.cause}`)
    }
}
console.log(JSON.stringify(statuses))
