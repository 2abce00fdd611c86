// pm2.js MODULE: a client of pm2's daemon (PM2_HOME) over its own API, which lives only within Node.
// Reads a command a line and answers each with one line:
//   run NAME                   starts an app anew; answers when pm2 says it is started
//   many COUNT NAME,NAME,…     COUNT starts, one at a time for each name, each until pm2 tells of its exit
//   list                       asks for the state of all apps
//   add FILE                   starts the app that FILE describes
const pm2 = require(process.argv[2]);
const fs = require("fs");
const waiting = {};
const say = (error) => console.log(error ? `failed: ${error.message || error}` : "ok");

function many(count, names) {
  let left = count;
  let ended = 0;
  const next = (name) => {
    if (left-- <= 0) return;
    waiting[name] = () => (++ended === count ? say() : next(name));
    pm2.restart(name, (error) => error && say(error));
  };
  names.forEach(next);
}

function obey(line) {
  const [command, first, second] = line.split(" ");
  if (command === "run") pm2.restart(first, say);
  else if (command === "many") many(+first, second.split(","));
  else if (command === "list") pm2.list(say);
  else if (command === "add") pm2.start(JSON.parse(fs.readFileSync(first)), say);
}

pm2.connect(true, (error) => {
  if (error) return say(error);
  pm2.launchBus((failure, bus) => {
    bus.on("process:event", ({ event, process: app }) => {
      const told = waiting[app.name];
      if (event !== "exit" || !told) return;
      delete waiting[app.name];
      told();
    });
    require("readline").createInterface({ input: process.stdin }).on("line", obey);
    say(failure);
  });
});
