/** A `fetch` that gives the answers of a test, the last one for good, and keeps what was sent. */

interface Answer {
  status?: number;
  body?: object;
}

/** Of any operation, as far as the client looks at it. */
export const receipt: Answer = {
  status: 201,
  body: { id: "01a20132-08b8-798a-966a-d864feea52cf" },
};

export class Answers {
  readonly sent: { url: string; headers: Headers; body: unknown }[] = [];
  readonly #answers: (Answer | (() => Answer))[];

  constructor(...answers: (Answer | (() => Answer))[]) {
    this.#answers = answers;
  }

  readonly options = {
    fetch: async (request: Request, { signal }: RequestInit): Promise<Response> => {
      signal?.throwIfAborted();
      const text = await request.text();
      this.sent.push({
        url: request.url,
        headers: request.headers,
        body: text ? JSON.parse(text) : null,
      });
      const next = this.#answers[Math.min(this.sent.length, this.#answers.length) - 1] ?? receipt;
      const { status = 200, body = {} } = typeof next === "function" ? next() : next;
      return new Response(JSON.stringify(body), { status });
    },
  };
}
