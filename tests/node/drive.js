// Drives the official Pexels client against another origin; prints what it read as JSON.
// Usage: node drive.js ORIGIN KEY
const [origin, key] = process.argv.slice(2);
const { createClient } = require("pexels");

// The client's base URL is fixed in its source, so the requests are sent elsewhere on their way. This comes after
// the client is loaded, since loading it puts a fetch of its own into the global one.
const send = global.fetch;
const asked = [];
global.fetch = (url, options) => {
  asked.push(url);
  return send(String(url).replace("https://api.pexels.com", origin), options);
};

async function main() {
  const client = createClient(key);
  const told = { pages: [], ids: [], asked };
  for (let page = 1; ; page += 1) {
    const found = await client.photos.search({ query: "BMW car", per_page: 7, page });
    if (!client.typeCheckers.isPhotos(found)) throw new Error("not photos: " + JSON.stringify(found));
    told.pages.push({ page: found.page, per_page: found.per_page, total: found.total_results, next: found.next_page });
    told.ids.push(...found.photos.map((photo) => photo.id));
    told.first = told.first || found.photos[0];
    if (!found.next_page) break;
  }
  told.shown = await client.photos.show({ id: told.ids[0] });
  told.curated = await client.photos.curated({ per_page: 3 });
  const photo = await send(told.first.src.large2x);
  told.bytes = (await photo.arrayBuffer()).byteLength;
  told.type = photo.headers.get("content-type");
  return told;
}

main().then(
  (told) => console.log(JSON.stringify(told)),
  (error) => {
    console.log(JSON.stringify({ error: String(error.message || error) }));
    process.exitCode = 1;
  },
);
