// Serves the page: `npm start` fetches MQTT.js first, `node serve.mjs [PORT]` only serves.
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";

const FILES = {
  "/": ["index.html", "text/html; charset=utf-8"],
  "/mqtt.js": ["node_modules/mqtt/dist/mqtt.min.js", "text/javascript; charset=utf-8"],
};

async function answer(request, response) {
  const { pathname } = new URL(request.url, "http://localhost");
  const [file, type] = FILES[pathname] ?? [];
  if (!file) {
    response.writeHead(404).end();
    return;
  }
  try {
    const content = await readFile(new URL(file, import.meta.url));
    response.writeHead(200, { "content-type": type }).end(content);
  } catch (error) {
    response.writeHead(500).end(`${error.message}\nTo fetch it: npm install\n`);
  }
}

const server = createServer(answer);
server.listen(Number(process.argv[2] ?? 8080), "localhost", () => {
  console.log(`Open http://localhost:${server.address().port}/`);
});
