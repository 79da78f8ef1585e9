// A function that logs four lines with the logger that its event names, and tells what it logged:
// [level, message, fields] each.

const LEVELS = ["debug", "info", "warn", "error"];
const FIELDS = { order: 7, price: 12.5, customer: "Zoë", express: true, voucher: null, items: ["a", { b: 1 }] };

const said = (withFields) =>
  LEVELS.map((level, number) => [level, `order ${number} "paid" in full: café \\ 100%`, withFields ? FIELDS : {}]);

const loggers = {
  console: async () => {
    const lines = said(false);
    for (const [level, message] of lines) console[level](message);
    return lines;
  },
  pino: async () => {
    const { default: pino } = await import("pino");
    const logger = pino({ level: "debug" }, pino.destination({ dest: 1, sync: true }));
    const lines = said(true);
    for (const [level, message, fields] of lines) logger[level](fields, message);
    return lines;
  },
  winston: async () => {
    const { default: winston } = await import("winston");
    const logger = winston.createLogger({ level: "debug", transports: [new winston.transports.Console()] });
    const lines = said(true);
    for (const [level, message, fields] of lines) logger[level](message, fields);
    return lines;
  },
};

export const handler = async (event) => loggers[event.logger]();
